// Two begin from the same revision: the second one sees both sides and the merge, and saves it.
module.exports = async ({ visit, sound, check }, url) => {
  const [first, second] = [await visit(), await visit()];
  for (const page of [first, second]) await page.goto(`${url}/stories/shared/edit`);
  const text = await first.inputValue("[name=body]");
  await first.fill("[name=body]", text.replace("One.", "One, by the first."));
  await first.click("button[value=save]");
  await first.waitForURL(`${url}/stories/shared`);
  await second.fill("[name=body]", text.replace("Three.", "Three, by the second."));
  await second.click("button[value=save]");
  await second.waitForSelector("h1:has-text('edited since you began')");
  const both = await second.inputValue("[name=body]");
  check(both.includes("One, by the first.") && both.includes("Three, by the second."), both);
  await second.click("button[value=save]");
  await second.waitForURL(`${url}/stories/shared`);
  const shown = await second.textContent(".body");
  check(shown.includes("by the first") && shown.includes("by the second"), shown);
  check(await second.evaluate(() => localStorage.length) === 0, "no draft is left");

  // The same line in two ways: both stand in the form, between marks.
  for (const page of [first, second]) await page.goto(`${url}/stories/shared/edit`);
  const now = await first.inputValue("[name=body]");
  await first.fill("[name=body]", now.replace("Two.", "Two, as I see it."));
  await first.click("button[value=save]");
  await first.waitForURL(`${url}/stories/shared`);
  await second.fill("[name=body]", now.replace("Two.", "Two, but otherwise."));
  await second.click("button[value=save]");
  await second.waitForSelector("h1:has-text('edited since you began')");
  const marked = await second.inputValue("[name=body]");
  for (const part of ["<<<<<<< yours", "Two, but otherwise.", "Two, as I see it.", ">>>>>>> theirs"]) {
    check(marked.includes(part), `${part} in ${marked}`);
  }
  await second.click("button[value=save]");
  await second.waitForSelector("#e-body");
  check(await second.inputValue("[name=body]") === marked, "it stands as it was");
  const settled = marked.split("\n").filter((line) => !/^(<<<<<<<|=======|>>>>>>>)/.test(line));
  await second.fill("[name=body]", settled.join("\n"));
  await second.click("button[value=save]");
  await second.waitForURL(`${url}/stories/shared`);
  for (const page of [first, second]) sound(page);
};
