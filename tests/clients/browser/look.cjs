// Every page: nothing that axe-core finds wrong, in light and dark; nothing wider than 360 px; a
// first view under 30 kB over the wire; no breach of the policy. And pictures.
const fs = require("node:fs");
const path = require("node:path");
const WIRE_BYTES_MAX = 30000;
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

async function judged(page, what, check) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  check(found.length === 0, `${what}: ${found.join("\n")}`);
}

async function fits(page, what, check) {
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

// Saves into a story that someone else edited since the form was opened.
async function clash(page, url, fetcher) {
  await page.goto(`${url}/stories/clash/edit`);
  const base = await page.inputValue("[name=base]");
  await fetcher.put(`${url}/v1/stories/clash?base=${base}`, {
    headers: { "Content-Type": "text/markdown" }, data: `Theirs ${base.slice(0, 8)}, at length.\n\nThe rest stays.\n`,
  });
  await page.fill("[name=body]", `Mine ${base.slice(0, 8)}, in short.\n\nThe rest stays.\n`);
  await page.click("button[value=save]");
  await page.waitForSelector("h1:has-text('edited since you began')");
}

module.exports = async ({ visit, seen, sound, check, shots }, url, diff, more = "") => {
  const paths = ["/", "/stories/read", "/stories/read/history", diff, "/changes", "/sections", "/sections/World",
    "/map?lat=48&lon=16", "/write", "/stories/read/edit", "/stories/read/withdraw", "/sign-in",
    "/stories/forked", "/stories/forked/edit?resolve=1", "/stories/none", ...more.split(",").filter(Boolean)];
  const pictured = { "/": "front", "/stories/read": "story", "/stories/read/edit": "edit" };
  for (const [size, viewport] of [["360", { width: 360, height: 740 }], ["desktop", { width: 1280, height: 860 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit({ viewport, colorScheme, bypassCSP: true });
      const shoot = (name) => page.screenshot({ path: path.join(shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
      for (const target of paths) {
        const what = `${target} at ${size}, ${colorScheme}`;
        await page.goto(url + target);
        await judged(page, what, check);
        await fits(page, what, check);
        seen(what);
        if (pictured[target]) await shoot(pictured[target]);
      }
      await clash(page, url, page.request);
      await judged(page, `conflict at ${size}, ${colorScheme}`, check);
      await fits(page, `conflict at ${size}`, check);
      await shoot("conflict");
      await page.click("button[value=preview]");
      await page.waitForSelector("#preview");
      await judged(page, `preview at ${size}, ${colorScheme}`, check);
      await fits(page, `preview at ${size}`, check);
      await page.context().close();
    }
  }
  const page = await visit();
  for (const target of paths) {
    const bytes = await weight(page, url + target);
    seen(`${target}: ${bytes} bytes`);
    check(bytes > 0 && bytes < WIRE_BYTES_MAX, `${target} takes ${bytes} bytes`);
  }
  sound(page);
};
