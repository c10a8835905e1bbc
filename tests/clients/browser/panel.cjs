// The operators' panel: nothing that axe-core finds wrong with it or with its questions, nothing wider
// than 360 px; it is kept fresh while it is seen, and asks nothing while it is not.
const path = require("node:path");
const HIDDEN_MS = 10 * 60 * 1000;

async function seenOrNot(page, isHidden) {
  await page.evaluate((is) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => is });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

module.exports = async ({ visit, eachLook, ask, seen, sound, check, judged, shots }, url, spread) => {
  const paths = ["/panel", `/panel?spread=${spread}`, "/panel?node=node2", "/panel/confirm?do=drop&target=node2"];
  await eachLook(async (page, size, scheme) => {
    for (const target of paths) {
      const what = `${target} at ${size}, ${scheme}`;
      await page.goto(url + target);
      await judged(page, what);
      seen(what);
      if (target === "/panel") {
        await page.screenshot({ path: path.join(shots, `panel-${size}-${scheme}.png`), fullPage: true });
      }
    }
  });

  // Its clock is ours: ten minutes pass in a moment, and then it stands still.
  const page = await visit({ viewport: { width: 360, height: 740 } });
  await page.clock.install();
  const asked = [];
  page.on("request", (request) => { if (request.url().includes("part=")) asked.push(request.url()); });
  await page.goto(`${url}/panel`);
  const scrolled = (to) => page.evaluate((to) => {
    const table = document.querySelector("#herd-now .wide");
    table.scrollLeft = to ?? table.scrollLeft;
    return table.scrollLeft;
  }, to);
  check(await scrolled(40) === 40, "a table that is wider than the window is scrolled");
  await seenOrNot(page, true);
  await page.clock.runFor(HIDDEN_MS);
  check(asked.length === 0, `asked while nobody saw it: ${asked.join(" ")}`);
  await page.clock.pauseAt(Date.now() + 2 * HIDDEN_MS);
  await Promise.all([page.waitForResponse(/part=live/), page.waitForResponse(/part=charts/), seenOrNot(page, false)]);
  await page.clock.resume();
  await ask("kill");
  await page.waitForSelector("#herd-now td.is-down");
  check(await scrolled() === 40, "it stays where it was scrolled to");
  sound(page);
};
