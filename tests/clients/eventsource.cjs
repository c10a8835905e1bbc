// Follows a stream with npm's `eventsource`, which reconnects and resumes by Last-Event-ID itself.
// With several URLs each failed or ended connection goes on at the next one.
//
// Usage: eventsource --count N [--timeout SECONDS] [--last-event-id ID] [--events a,b] URL...
// Prints {"url", "event", "id", "data"} a line for each event, and {"open": URL} when connected.
// Exit: 0 once N events came, 1 if they did not in time, 2 wrong usage.
const { EventSource } = require("eventsource");

const options = { count: 0, timeout: 20, "last-event-id": null, events: "update,gap" };
const urls = [];
for (let args = process.argv.slice(2); args.length > 0; ) {
  const arg = args.shift();
  if (!arg.startsWith("--")) urls.push(arg);
  else if (arg.slice(2) in options && args.length > 0) options[arg.slice(2)] = args.shift();
  else usage();
}
if (!urls.length || !(options.count > 0)) usage();

function usage() {
  console.error("usage: eventsource --count N [--timeout S] [--last-event-id ID] URL...");
  process.exit(2);
}

let attempts = 0;
let current = urls[0];
let seen = 0;

// The library asks for its one URL again and again; which node that is, is decided here.
function dial(_, init) {
  current = urls[attempts % urls.length];
  attempts += 1;
  const headers = { ...init.headers };
  if (options["last-event-id"] !== null && !("Last-Event-ID" in headers)) {
    headers["Last-Event-ID"] = options["last-event-id"];
  }
  return fetch(current, { ...init, headers });
}

const source = new EventSource(urls[0], { fetch: dial });
source.onopen = () => console.log(JSON.stringify({ open: current }));
source.onerror = (error) => console.error(`eventsource: ${current}: ${error.message ?? "ended"}`);

function take(event) {
  console.log(
    JSON.stringify({ url: current, event: event.type, id: event.lastEventId, data: event.data }),
  );
  seen += 1;
  if (seen >= options.count) process.exit(0);
}
for (const name of ["message", ...options.events.split(",")]) source.addEventListener(name, take);

setTimeout(() => {
  console.error(`eventsource: ${seen} of ${options.count} events in ${options.timeout} s`);
  process.exit(1);
}, options.timeout * 1000);
