// By the keyboard alone: from the front page to a story that is saved.
module.exports = async ({ visit, sound, check }, url) => {
  const page = await visit();
  const at = () => page.evaluate(() => {
    const { tagName, name, value, textContent } = document.activeElement;
    return { tag: tagName, name: name || "", value: value || "", text: textContent.trim() };
  });
  // Tabs on until the focus is where it should be, which every way through the page must reach.
  async function tabTo(is, what) {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      if (is(await at())) return;
    }
    check(false, `Tab does not reach ${what}`);
  }
  await page.goto(url);
  await tabTo(({ tag, text }) => tag === "A" && text === "Write", "Write");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/write`);
  for (const [name, text] of [["title", "by keys"], ["headline", "By keys"], ["body", "Typed."]]) {
    await tabTo((focus) => focus.name === name, name);
    await page.keyboard.type(text);
  }
  await tabTo(({ value }) => value === "save", "Save");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/stories/by%20keys`);
  check(await page.textContent("h1") === "By keys", "it is saved");
  sound(page);
};
