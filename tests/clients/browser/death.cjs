// A node dies while one writes: the text stays in the page, and in the browser, until it is saved.
module.exports = async ({ visit, ask, sound, check }, url) => {
  const page = await visit();
  await page.goto(`${url}/write`);
  await page.fill("[name=title]", "survivor");
  await page.fill("[name=body]", "Typed before the node died.");
  await ask("kill");
  await page.click("button[value=save]");
  await page.waitForSelector("#state:has-text('the node does not answer')");
  check(await page.inputValue("[name=body]") === "Typed before the node died.", "it stands in the page");
  await page.fill("[name=body]", "Typed before the node died. And after.");
  // Even the page may go: the draft is offered when one comes back.
  await page.waitForFunction(() => Object.entries(localStorage).some(([name, draft]) =>
    name.startsWith("draft:/write#") && draft.includes("And after.")));
  page.on("dialog", (dialog) => dialog.accept());
  await ask("start");
  await page.goto(`${url}/write`);
  check(await page.inputValue("[name=body]") === "", "a new form");
  await page.click("#state button:has-text('Restore it')");
  check((await page.inputValue("[name=body]")).endsWith("And after."), "it is restored");
  await ask("kill");
  await page.click("button[value=save]");
  await page.waitForSelector("#state button:has-text('Try again')");
  await ask("start");
  await page.click("#state button:has-text('Try again')");
  await page.waitForURL(`${url}/stories/survivor`);
  check((await page.textContent(".body")).includes("And after."), "it is saved");
  check(await page.evaluate(() => localStorage.length) === 0, "no draft is left");
  sound(page);
};
