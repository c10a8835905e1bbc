// Makes the pages live: times in the reader's zone, and what is new while one reads. Everything can
// be read without it. All that comes over the stream is put into the page as text, never as HTML;
// HTML comes from the pages alone.
"use strict";

// Times.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}
localise(document);
const zone = document.getElementById("zone");
if (zone) zone.textContent = `Times are yours (${format.resolvedOptions().timeZone}).`;

// Where the reader is.
const here = document.getElementById("here");
if (here && navigator.geolocation) {
  const form = here.form;
  here.hidden = false;
  here.onclick = () => navigator.geolocation.getCurrentPosition(({ coords }) => {
    form.lat.value = coords.latitude.toFixed(4);
    form.lon.value = coords.longitude.toFixed(4);
    form.requestSubmit();
  }, () => { here.textContent = "Your position is not known"; });
}

// What is new: one stream of events, which goes on where it was.
const RETRY_MS_MAX = 30000; // between two tries
const HIDDEN_MS_MAX = 20000; // a page that nobody sees lets go of its connection
const STALE_MS = 60000; // after which a page is read anew before its stream goes on
const status = document.getElementById("live");
let main = document.getElementById("main");
let source = null; // of events; null while there is none
let last = null; // the cursor behind the last event
let heard = Date.now(); // when the stream was last known to be alive
let tries = 0;
let timer = 0;
let count = 0; // of changes that were shown
const since = new URLSearchParams(location.search).get("since") || main.dataset.rev;

function say(text, isOff = false) {
  if (!status) return;
  status.hidden = false;
  status.classList.toggle("off", isOff);
  if (status.textContent !== text) status.textContent = text;
}

function sayLive() {
  say(count ? `Live: ${count} ${count === 1 ? "change" : "changes"} since you came` : "Live");
}

function listen() {
  clearTimeout(timer);
  if (source) source.close();
  source = null;
  const { live, title, section, cursor } = main.dataset;
  if (!live || !window.EventSource) return;
  const query = new URLSearchParams({ topic: "stories" });
  if (live === "story") {
    query.set("title", title);
  } else {
    // Of what was missed the newest of each story will do.
    query.set("newest", "1");
    query.set("after", last || cursor);
    if (section) query.set("section", section);
  }
  const mine = source = new EventSource(`/v1/stream?${query}`);
  mine.onopen = () => {
    tries = 0;
    heard = Date.now();
    sayLive();
    // The stream began after the page was made: what came between is seen now.
    if (live === "story") reread();
  };
  mine.addEventListener("update", (event) => {
    heard = Date.now();
    last = event.lastEventId;
    take(JSON.parse(event.data));
  });
  mine.addEventListener("gap", (event) => {
    last = event.lastEventId;
    setTimeout(reread, Math.random() * 2000);
  });
  mine.onerror = () => {
    say("The connection is lost: trying again", true);
    if (mine.readyState === EventSource.CLOSED && mine === source) later();
  };
}

function later() {
  const ms = Math.min(RETRY_MS_MAX, 1000 * 2 ** tries++);
  clearTimeout(timer);
  timer = setTimeout(goOn, ms / 2 + Math.random() * ms / 2);
}

// Goes on after a pause: from the cursor, or after a long one with the page read anew.
async function goOn() {
  clearTimeout(timer);
  if (document.hidden || !main.dataset.live) return;
  if (main.dataset.live !== "story" && Date.now() - heard > STALE_MS) await reread();
  listen();
}

let reading = null;
let isStale = false;
// Reads the page anew; one at a time, and once more if something came meanwhile.
function reread() {
  isStale = true;
  reading ??= (async () => {
    try {
      while (isStale) {
        isStale = false;
        await replace();
      }
    } catch {
      later();
    } finally {
      reading = null;
    }
  })();
  return reading;
}

async function replace() {
  const isStory = main.dataset.live === "story";
  const url = isStory ? `${location.pathname}?since=${since}` : location.href;
  const reply = await fetch(url, { headers: { accept: "text/html" } });
  if (!reply.ok && reply.status !== 410) throw new Error(reply.status);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const fresh = page.getElementById("main");
  const { rev, revisions } = main.dataset;
  if (isStory && fresh.dataset.rev === rev && fresh.dataset.revisions === revisions) return;
  const hadFocus = main.contains(document.activeElement);
  const place = placeOf(main);
  main.replaceWith(fresh);
  main = fresh;
  localise(main);
  document.title = page.title;
  if (hadFocus) main.focus({ preventScroll: true });
  restore(place);
  last = null;
  if (!isStory) return;
  if (main.dataset.live) {
    say("This story was edited while you read it; what changed is marked");
  } else {
    say("This story was withdrawn while you read it", true);
    listen();
  }
}

// The paragraph at the top of the window, so that a new text does not move under the eyes.
function placeOf(root) {
  const all = [...root.querySelectorAll(".body > *")];
  const at = all.findIndex((block) => block.getBoundingClientRect().bottom > 0);
  if (at < 0 || scrollY === 0) return null;
  return { at, text: all[at].textContent, top: all[at].getBoundingClientRect().top };
}

function restore(place) {
  if (!place) return;
  const all = [...main.querySelectorAll(".body > *")];
  const block = all.find((block) => block.textContent === place.text) || all[place.at];
  if (block) scrollBy({ top: block.getBoundingClientRect().top - place.top, behavior: "instant" });
}

function take(update) {
  if (update.kind !== "revision" && update.kind !== "withdrawal") return;
  const { live } = main.dataset;
  if (live === "story") return void reread();
  const taken = live === "changes" ? takeChange(update) : takeStory(update);
  if (!taken) return;
  main.querySelector(":scope > .note")?.remove(); // "Nothing is here yet"
  count += 1;
  sayLive();
}

// An element with children: texts, other elements, or nothing.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child));
  return element;
}

const storyHref = (title) => `/stories/${encodeURIComponent(title)}`;
const sectionHref = (section) => `/sections/${encodeURIComponent(section)}`;
const headlineOf = ({ headline, title }) => headline?.trim() ? headline : title;

function by(update, ...more) {
  const time = make("time", { datetime: update.at }, update.at.slice(0, 16).replace("T", " ") + " UTC");
  const author = update.author ? [" · ", make("bdi", {}, update.author)] : [];
  return make("p", { class: "by" }, time, ...author, ...more);
}

// Puts an item where its time says; false where the list ends before.
function insert(list, item) {
  const items = [...list.children];
  const next = items.find((other) => (other.dataset.at || "") < item.dataset.at);
  const room = Number(list.dataset.room);
  if (!next && items.length >= room) return false;
  localise(item);
  item.classList.add("fresh");
  list.insertBefore(item, next || null);
  while (list.children.length > room) list.lastElementChild.remove();
  return true;
}

function takeStory(update) {
  const { title, at, section, kind } = update;
  let taken = false;
  for (const list of main.querySelectorAll("[data-list]")) {
    const old = [...list.children].find((item) => item.dataset.title === title);
    if (kind === "withdrawal") {
      if (!old) continue;
      old.classList.add("gone");
      old.querySelector(".by").append(" · withdrawn");
      taken = true;
      continue;
    }
    const of = list.dataset.list;
    if (update.erased || (old && old.dataset.at >= at)) continue;
    old?.remove();
    if (of && of !== section) continue;
    const kicker = !of && section
      && make("p", { class: "kicker", dir: "auto" }, make("a", { href: sectionHref(section) }, section));
    const link = make("a", { class: "headline", href: storyHref(title), dir: "auto" }, headlineOf(update));
    const word = update.base?.length ? " · edited" : " · new";
    const item = make("li", { "data-title": title, "data-at": at }, kicker, link, by(update, word));
    taken = insert(list, item) || taken;
  }
  return taken;
}

const KINDS = { new: "New", edit: "Edited", withdrawal: "Withdrawn" };

function takeChange(update) {
  const list = main.querySelector("[data-list]");
  const { kind: wanted, section, author } = main.dataset;
  const { id, title, base } = update;
  const kind = update.kind === "withdrawal" ? "withdrawal" : base?.length ? "edit" : "new";
  const isWanted = (!wanted || wanted === kind)
    && (!section || section === update.section) && (!author || author === update.author);
  if (!isWanted || update.erased || list.querySelector(`[data-id="${CSS.escape(id)}"]`)) return false;
  const link = make("a", { class: "headline", href: storyHref(title), dir: "auto" }, headlineOf(update));
  const more = update.section
    ? [" · ", make("a", { href: sectionHref(update.section) }, make("bdi", {}, update.section))] : [];
  if (base?.length) {
    more.push(" · ", make("a", { href: `${storyHref(title)}/diff?a=${base[0]}&b=${id}` }, "what changed"));
  }
  const text = update.summary || update.reason;
  return insert(list, make("li", { "data-id": id, "data-at": update.at },
    make("p", {}, make("span", { class: `kind ${kind}` }, KINDS[kind]), " ", link),
    by(update, ...more), text && make("p", { class: "text", dir: "auto" }, text)));
}

addEventListener("online", goOn);
addEventListener("offline", () => say("You are offline", true));
addEventListener("pageshow", (event) => { if (event.persisted) goOn(); });
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) {
    if (!source || source.readyState !== EventSource.OPEN) goOn();
  } else if (source) {
    timer = setTimeout(() => {
      heard = Date.now();
      source?.close();
      source = null;
    }, HIDDEN_MS_MAX);
  }
});
listen();
