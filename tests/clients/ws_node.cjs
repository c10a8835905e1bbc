// Speaks over a WebSocket by npm's `ws`: what comes on standard input goes out, a line a message, and
// the other way round.
//
// Usage: ws_node [--token T] [--plain] [--timeout S] URL < LINES
// `--plain` offers no permessage-deflate. It closes when its input ends.
// Prints {"open": extensions}, {"text"} or {"bytes"} a message, {"closed": code} at the end.
// Exit: 0 when it closed, 1 when the server did or it took too long, 2 wrong usage.
const WebSocket = require("ws");
const readline = require("node:readline");

const options = { token: null, timeout: 20, plain: false };
let url = null;
for (let args = process.argv.slice(2); args.length > 0; ) {
  const arg = args.shift();
  if (arg === "--plain") options.plain = true;
  else if (arg === "--token" || arg === "--timeout") options[arg.slice(2)] = args.shift();
  else url = arg;
}
if (!url || url.startsWith("--")) {
  console.error("usage: ws_node [--token T] [--plain] [--timeout S] URL");
  process.exit(2);
}

const say = (value) => console.log(JSON.stringify(value));
const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
const socket = new WebSocket(url, { headers, perMessageDeflate: !options.plain });
let ended = false;
socket.on("open", async () => {
  say({ open: socket.extensions });
  for await (const line of readline.createInterface({ input: process.stdin })) socket.send(line);
  // What was sent before a ping is answered before its pong, where answers wait for no disk.
  socket.once("pong", () => {
    ended = true;
    socket.close(1000);
  });
  socket.ping();
});
socket.on("message", (data, isBinary) => say(isBinary ? { bytes: data.toString("hex") } : { text: data.toString() }));
socket.on("error", (error) => console.error(`ws: ${error.message}`));
socket.on("close", (code) => {
  say({ closed: code });
  process.exit(ended && code === 1000 ? 0 : 1);
});
setTimeout(() => process.exit(1), options.timeout * 1000);
