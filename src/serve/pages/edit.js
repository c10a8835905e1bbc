// Keeps what is typed: in this browser until the node has said that it is saved. The form works
// without it. What comes back is a page of this site: its form holds what was sent.
"use strict";
{
  const WAIT_MS = 400; // after the last key before a draft is kept
  const DRAFT_DAYS = 30; // drafts that nobody came back for
  const NAMES = ["title", "headline", "section", "language", "body", "media_type", "lat", "lon", "summary", "base", "clash"];
  const here = `draft:${location.pathname}#`;
  // Each page that is opened keeps a draft of its own: no tab takes the place of another.
  let key = `${here}${Date.now()}.${Math.random()}`;
  let form; // as it stands in the page
  let first; // what stood in it when it came
  let timer = 0;
  let isUnderWay = false;
  let isSaved = false;

  const field = (name) => form.elements.namedItem(name);
  const held = () => Object.fromEntries(NAMES.filter(field).map((name) => [name, field(name).value]));
  const isSame = (a, b) => NAMES.every((name) => (a[name] ?? "") === (b[name] ?? ""));

  // Storage may be full, or forbidden: then the page alone holds the text.
  function store(use) {
    try { return use(localStorage); } catch { return null; }
  }

  function keep() {
    clearTimeout(timer);
    timer = 0;
    if (isSaved) return true;
    const fields = held();
    if (isSame(fields, first)) return true;
    return store((all) => { all.setItem(key, JSON.stringify({ at: Date.now(), fields })); return true; });
  }

  function say(text, isOff = false, ...buttons) {
    const state = document.getElementById("state");
    state.classList.toggle("off", isOff);
    state.replaceChildren(text, ...buttons);
  }

  function button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.onclick = act;
    return made;
  }

  // The draft of this page that was kept last, with its name.
  function newest() {
    const drafts = store((all) => Object.keys(all).filter((name) => name.startsWith(here))
      .map((name) => [name, JSON.parse(all.getItem(name))])) ?? [];
    return drafts.sort((a, b) => (b[1]?.at ?? 0) - (a[1]?.at ?? 0))[0] ?? [];
  }

  function offer() {
    const [name, draft] = newest();
    if (!draft?.fields || isSame(draft.fields, first)) return;
    const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(draft.at);
    say(`What you typed here on ${when} was not saved. `, false,
      button("Restore it", () => {
        // With the base that it was typed over: what was saved since shows when it is saved.
        for (const [name, value] of Object.entries(draft.fields)) if (field(name)) field(name).value = value;
        key = name;
        say("Restored. It is not saved yet.");
        field("body").focus();
      }),
      button("Drop it", () => {
        store((all) => all.removeItem(name));
        say("");
        field("body").focus();
      }));
  }

  function forgetOld() {
    store((all) => {
      for (const name of Object.keys(all).filter((name) => name.startsWith("draft:"))) {
        const at = JSON.parse(all.getItem(name))?.at ?? 0;
        if (Date.now() - at > DRAFT_DAYS * 86400000) all.removeItem(name);
      }
    });
  }

  function take() {
    form = document.getElementById("write");
    if (!form || !field("base")) return false;
    first ??= held();
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(keep, WAIT_MS); });
    form.addEventListener("submit", send);
    return true;
  }

  function wait(isOn) {
    isUnderWay = isOn;
    // What were typed now would be in neither what is sent nor the page that comes.
    for (const each of form.elements) if ("readOnly" in each) each.readOnly = isOn;
    for (const each of form.querySelectorAll("button[name=do]")) {
      if (isOn) each.setAttribute("aria-disabled", "true");
      else each.removeAttribute("aria-disabled");
    }
  }

  function failed(text) {
    const where = keep() ? "It is kept in this browser." : "This browser keeps no copy: leave this page open.";
    say(`${text} ${where} `, true, button("Try again", () => form.requestSubmit(form.querySelector("[value=save]"))));
  }

  async function send(event) {
    event.preventDefault();
    if (isUnderWay) return;
    const wish = event.submitter?.value || "save";
    const data = new URLSearchParams(new FormData(form));
    data.set("do", wish);
    keep();
    wait(true);
    say(wish === "save" ? "Saving…" : "Making the preview…");
    try {
      const reply = await fetch(form.action, { method: "POST", body: data, headers: { accept: "text/html" } });
      await answered(reply, wish);
    } catch {
      failed("Not saved: the node does not answer.");
    } finally {
      wait(false);
    }
  }

  async function answered(reply, wish) {
    if (reply.redirected) {
      isSaved = true;
      clearTimeout(timer);
      store((all) => all.removeItem(key));
      location.assign(reply.url);
      return;
    }
    if (reply.status === 401) {
      const link = document.createElement("a");
      Object.assign(link, { href: "/sign-in", target: "_blank", textContent: "Sign in in another tab" });
      failed("Not saved: you are not signed in.");
      document.getElementById("state").append(" ", link);
      return;
    }
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.getElementById("main");
    if (!fresh?.querySelector("#write")) {
      failed(`Not saved: ${fresh?.querySelector("p")?.textContent || reply.statusText || reply.status}`);
      return;
    }
    document.getElementById("main").replaceWith(fresh);
    document.title = page.title;
    take();
    keep();
    const to = wish === "preview" && document.getElementById("preview");
    (to || document.getElementById("main")).focus();
    scrollTo(0, 0);
  }

  addEventListener("beforeunload", (event) => {
    if (!form?.isConnected || isSaved || isSame(held(), first)) return;
    keep();
    event.preventDefault();
  });
  addEventListener("pagehide", () => { if (timer) keep(); });
  forgetOld();
  if (take()) offer();
}
