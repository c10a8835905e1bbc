// Drives Debian's chromium over the pages of live nodes, by playwright-core; axe-core judges them.
//
// Usage: browser CASE SHOTS ARGUMENT...     The cases are the files of browser/; SHOTS is a folder
// that pictures go to. A case that needs something done to a node prints {"do": WHAT} and goes on
// when a line comes on standard input.
// Prints {"seen": WHAT} as it goes and {"passed": CASE} at the end. Exit: 0 passed, 1 failed, 2 wrong usage.
const { chromium } = require("playwright-core");
const readline = require("node:readline");

const TIMEOUT_MS = 20000;
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

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const run = require(`./browser/${name}.cjs`);
    await run({ browser, shots, visit: (options) => visit(browser, options), ask, seen, sound, check }, ...rest);
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
