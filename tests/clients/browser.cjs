// Drives Debian's chromium over the pages of live nodes, by playwright-core; axe-core judges them.
//
// Usage: browser CASE SHOTS ARGUMENT...     The cases are the files of browser/; SHOTS is a folder
// that pictures go to. A case that needs something done to a node prints {"do": WHAT} and goes on
// when a line comes on standard input.
// Prints {"seen": WHAT} as it goes and {"passed": CASE} at the end. Exit: 0 passed, 1 failed, 2 wrong usage.
const { chromium } = require("playwright-core");
const fs = require("node:fs");
const readline = require("node:readline");

const TIMEOUT_MS = 20000;
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [name, shots, ...rest] = process.argv.slice(2);
if (!shots || !/^[a-z]+$/.test(name)) {
  console.error("usage: browser CASE SHOTS ARGUMENT...");
  process.exit(2);
}

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Asks for something to be done to a node, and waits until it is.
async function ask(what) {
  console.log(JSON.stringify({ do: what }));
  const { done } = await lines.next();
  if (done) throw new Error(`nobody did: ${what}`);
}

// Says how far it is: whoever waits for the case waits for its next line.
function seen(what) {
  console.log(JSON.stringify({ seen: what }));
}

// A page of its own in a browser that knows nothing yet. What the page must not do fails the case.
async function visit(browser, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Vienna", ...options });
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (/Content Security Policy|Refused to/i.test(text)) page.faults.push(`console: ${text}`);
  });
  return page;
}

function sound(page) {
  if (page.faults.length) throw new Error(`${page.url()}: ${page.faults.join("\n")}`);
}

function check(is, what) {
  if (!is) throw new Error(what);
}

// Nothing is wrong with a page as it is now, as far as axe-core finds, and it is no wider than the
// window. Its policy must be bypassed.
async function judged(page, what) {
  await fits(page, what);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  check(found.length === 0, `${what}: ${found.join("\n")}`);
}

async function fits(page, what) {
  const { wide, has } = await page.evaluate(() => ({
    wide: document.scrollingElement.scrollWidth, has: document.scrollingElement.clientWidth,
  }));
  check(wide <= has, `${what} is ${wide} px wide on ${has}`);
}

// Bytes that come over the wire for a page and all that it needs.
async function weight(page, url) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await page.goto(url, { waitUntil: "load" });
  await page.waitForSelector("footer");
  await session.detach();
  return bytes;
}

// A page in each size and scheme that people have, one after another.
async function eachLook(browser, look) {
  for (const [size, viewport] of [["360", { width: 360, height: 740 }], ["desktop", { width: 1280, height: 860 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit(browser, { viewport, colorScheme, bypassCSP: true });
      await look(page, size, colorScheme);
      await page.context().close();
    }
  }
}

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const run = require(`./browser/${name}.cjs`);
    const tools = {
      visit: (options) => visit(browser, options), eachLook: (look) => eachLook(browser, look),
      shots, ask, seen, sound, check, judged, weight,
    };
    await run(tools, ...rest);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify({ passed: name }));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack || error);
    process.exit(1);
  },
);
