// Strings that would be program or markup if one forgot to escape them, through each input to each
// page: nothing runs, nothing asks, and what was typed is shown as it was typed.
const RUN = "window.__pwned=1";
const STRINGS = [
  `<script>${RUN}</script>`, `"><script>${RUN}</script>`, `'><script>${RUN}</script>`, `</textarea><script>${RUN}</script>`,
  `</title><script>${RUN}</script>`, `</style><script>${RUN}</script>`, `--><script>${RUN}</script>`, `]]><script>${RUN}</script>`,
  `<img src=x onerror=${RUN}>`, `"><img src=x onerror="${RUN}">`, `<svg onload=${RUN}>`, `<svg/onload=${RUN}//`,
  `" onfocus="${RUN}" autofocus="`, `' onfocus='${RUN}' autofocus='`, `" onmouseover="${RUN}`, `javascript:${RUN}`,
  `[x](javascript:${RUN})`, `![x](x "onerror=${RUN}")`, `![x" onerror="${RUN}](x)`, `<javascript:${RUN}>`,
  `[x](data:text/html,<script>${RUN}</script>)`, `<a href="javascript:${RUN}">x</a>`, `<iframe srcdoc="<script>${RUN}</script>">`,
  `<details open ontoggle=${RUN}>`, `<body onload=${RUN}>`, `<base href="http://127.0.0.1:1/">`, `<form action="http://127.0.0.1:1/">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`, `\`\`\`"><script>${RUN}</script>`, `<style>@import 'http://127.0.0.1:1'</style>`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`, `{{constructor.constructor('${RUN}')()}}`, `\${${RUN}}`, `<x\u202E\u0000y>`.replace("\u0000", ""),
];

module.exports = async ({ visit, seen, sound, check }, url) => {
  const page = await visit();
  page.on("dialog", (dialog) => {
    if (dialog.type() !== "beforeunload") page.faults.push(`dialog: ${dialog.message()}`);
    dialog.accept();
  });
  const clean = async (what) => {
    check(await page.evaluate(() => window.__pwned === undefined), `${what}: it ran`);
    const odd = await page.evaluate(() => [...document.querySelectorAll("script:not([src]), iframe, base, style, meta[http-equiv], [onerror], [onload], [onfocus], [ontoggle]")].length);
    check(odd === 0, `${what}: ${odd} elements that nobody here made`);
    sound(page);
  };
  for (const [at, text] of STRINGS.entries()) {
    const title = `${at} ${text}`;
    const href = `${url}/stories/${encodeURIComponent(title)}`;
    const values = { title, headline: text, section: text.slice(0, 60), summary: text, body: text };
    await page.goto(`${url}/write`);
    // Of a wrong kind first, so that all of it comes back in the form.
    for (const [name, value] of Object.entries({ ...values, language: text, lat: text, lon: text })) await page.fill(`[name=${name}]`, value);
    await page.click("button[value=save]");
    await page.waitForSelector("#e-language");
    check(await page.inputValue("[name=body]") === text, `as it was typed: ${text}`);
    await clean(`the form with ${text}`);
    for (const name of ["language", "lat", "lon"]) await page.fill(`[name=${name}]`, "");
    await page.click("button[value=preview]");
    await page.waitForSelector("#preview");
    await clean(`the preview of ${text}`);
    await page.click("button[value=save]");
    await page.waitForURL((at) => at.href.startsWith(`${url}/stories/`));
    await clean(`the story of ${text}`);
    seen(text);
    const base = await page.getAttribute("#main", "data-rev");
    const edited = await page.request.put(`${url}/v1/stories/${encodeURIComponent(title)}?base=${base}`, { data: `${text} ${text}`, headers: { "Content-Type": "text/plain" } });
    const { id } = await edited.json();
    const section = encodeURIComponent(values.section);
    for (const target of [href, `${href}/history`, `${href}/diff?a=${base}&b=${id}`, `${href}?since=${base}`, `${href}/edit`, `${href}/withdraw`,
      `${url}/sections/${section}`, `${url}/changes?section=${section}&author=${section}`, `${url}/sign-in?to=${section}`, `${url}/map?lat=${section}&lon=${section}`,
      `${url}/search?q=${section}`, `${url}/stories/none${section}`, `${url}/?before=${section}`, `${url}/write?title=${section}`]) {
      await page.goto(target);
      await clean(target);
    }
  }
  for (const target of ["/", "/changes", "/sections"]) {
    await page.goto(url + target);
    await clean(target);
  }
};
