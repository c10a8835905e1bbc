// Keeps the panel as it is now while someone sees it: fetches its parts and puts them in place of
// the old ones, and plays how an update reached node after node. Without it the page is whole, and
// read anew.
"use strict";
const LIVE_MS = 2000, CHARTS_MS = 10000, PLAY_MS = 3000;

function keepFresh(place, address, everyMs) {
  if (!place || !address) return;
  let timer = setTimeout(look, everyMs), isLooking = false;
  // A page that nobody sees asks nothing; one that is seen again asks at once.
  document.addEventListener("visibilitychange", look);
  async function look() {
    if (document.hidden || isLooking) return;
    clearTimeout(timer);
    isLooking = true;
    if (!place.contains(document.activeElement)) await renew(place, address);
    isLooking = false;
    timer = setTimeout(look, everyMs);
  }
}

async function renew(place, address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    // After the session's end the answer is the page to sign in on.
    const isGood = answer.ok && !answer.redirected;
    const html = isGood && await answer.text();
    place.classList.toggle("stale", !isGood);
    if (!isGood) return;
    const scrolled = [...place.querySelectorAll(".wide")].map((table) => table.scrollLeft);
    place.innerHTML = html;
    for (const [at, table] of place.querySelectorAll(".wide").entries()) table.scrollLeft = scrolled[at] ?? 0;
  } catch {
    place.classList.add("stale");
  }
}

function play(picture) {
  const nodes = [...picture.querySelectorAll("[data-after]")];
  const last = Math.max(1, ...nodes.map((node) => Number(node.dataset.after)));
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  picture.classList.add("playing");
  for (const node of nodes) {
    node.classList.remove("reached");
    const wait = (Number(node.dataset.after) / last) * PLAY_MS;
    setTimeout(() => node.classList.add("reached"), wait);
  }
}

const now = document.getElementById("herd-now");
const charts = document.getElementById("charts");
keepFresh(now, now && now.dataset.fresh, LIVE_MS);
keepFresh(charts, charts && charts.dataset.fresh, CHARTS_MS);
for (const picture of document.querySelectorAll("svg.spread")) play(picture);
