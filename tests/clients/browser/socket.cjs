// A page's script subscribes and publishes over the node's socket. A page of another node's site gets
// none there: the same host, another port.
module.exports = async ({ visit, sound, check }, urlA, urlB) => {
  const page = await visit();
  await page.goto(`${urlA}/hello`);
  const heard = await page.evaluate(
    (url) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url);
        const heard = [];
        socket.onopen = () => {
          socket.send(JSON.stringify({ op: "subscribe", sub: "s", topic: "t" }));
          socket.send(JSON.stringify({ op: "publish", ref: 1, topic: "t", body: "f\u00fcr alle ".repeat(50) }));
        };
        socket.onmessage = ({ data }) => {
          heard.push(JSON.parse(data));
          if (heard.length === 2) socket.close(1000);
        };
        socket.onerror = () => reject(new Error("no socket"));
        socket.onclose = ({ code, wasClean }) => resolve({ heard, code, wasClean, extensions: socket.extensions });
      }),
    `${urlA.replace("http", "ws")}/v1/ws`,
  );
  const of = (event) => heard.heard.find((said) => said.event === event);
  check(of("ack") && of("update"), JSON.stringify(heard));
  check(of("ack").id === of("update").update.id && of("update").sub === "s", JSON.stringify(heard));
  check(of("update").update.body.startsWith("f\u00fcr alle"), JSON.stringify(heard));
  check(heard.code === 1000 && heard.wasClean, JSON.stringify(heard));
  check(heard.extensions.includes("permessage-deflate"), heard.extensions);
  const stranger = await visit();
  await stranger.goto(`${urlB}/hello`);
  const opened = await stranger.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      }),
    `${urlA.replace("http", "ws")}/v1/ws`,
  );
  check(!opened, "a page of another site got a socket");
  sound(page);
};
