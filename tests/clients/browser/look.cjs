// Every page: nothing that axe-core finds wrong, in light and dark; nothing wider than 360 px; a
// first view under 30 kB over the wire; no breach of the policy. And pictures.
const path = require("node:path");
const WIRE_BYTES_MAX = 30000;

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

module.exports = async ({ visit, eachLook, seen, sound, check, judged, weight, shots }, url, diff) => {
  const paths = ["/", "/stories/read", "/stories/read/history", diff, "/changes", "/sections", "/sections/World",
    "/map?lat=48&lon=16", "/write", "/stories/read/edit", "/stories/read/withdraw", "/sign-in",
    "/stories/forked", "/stories/forked/edit?resolve=1", "/stories/none"];
  const pictured = { "/": "front", "/stories/read": "story", "/stories/read/edit": "edit" };
  await eachLook(async (page, size, scheme) => {
    const shoot = (name) => page.screenshot({ path: path.join(shots, `${name}-${size}-${scheme}.png`), fullPage: true });
    for (const target of paths) {
      const what = `${target} at ${size}, ${scheme}`;
      await page.goto(url + target);
      await judged(page, what);
      seen(what);
      if (pictured[target]) await shoot(pictured[target]);
    }
    await clash(page, url, page.request);
    await judged(page, `conflict at ${size}, ${scheme}`);
    await shoot("conflict");
    await page.click("button[value=preview]");
    await page.waitForSelector("#preview");
    await judged(page, `preview at ${size}, ${scheme}`);
  });
  const page = await visit();
  for (const target of paths) {
    const bytes = await weight(page, url + target);
    seen(`${target}: ${bytes} bytes`);
    check(bytes > 0 && bytes < WIRE_BYTES_MAX, `${target} takes ${bytes} bytes`);
  }
  sound(page);
};
