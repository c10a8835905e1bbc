// A story that one reads at node A is edited at node B: the change comes into the page, marked.
module.exports = async ({ visit, sound, check }, urlA, urlB) => {
  const reader = await visit();
  await reader.goto(`${urlA}/stories/read`);
  await reader.waitForSelector("#live:not([hidden])");
  const writer = await visit();
  await writer.goto(`${urlB}/stories/read/edit`);
  const text = await writer.inputValue("[name=body]");
  check(text.includes("brown"), text);
  await writer.fill("[name=body]", text.replace("brown", "crimson"));
  await writer.fill("[name=summary]", "Another colour");
  await writer.click("button[value=save]");
  await writer.waitForURL(`${urlB}/stories/read`);
  const ins = await reader.waitForSelector(".body ins");
  check((await ins.textContent()).includes("crimson"), "what is new is marked");
  check((await reader.textContent(".body del")).includes("brown"), "what is gone is marked");
  sound(reader);
  sound(writer);
};
