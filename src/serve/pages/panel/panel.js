// Keeps the panel as it is now: fetches its parts and puts them in place of the old ones, and
// plays how an update reached node after node. Without it the page is whole, and read anew.
"use strict";
const LIVE_MS = 2000, CHARTS_MS = 10000, PLAY_MS = 3000;

function keepFresh(place, address, everyMs) {
  if (!place || !address) return;
  const look = async () => {
    if (!document.hidden && !place.contains(document.activeElement)) {
      try {
        const answer = await fetch(address, { headers: { Accept: "text/html" } });
        // After the session's end the answer is the page to sign in on.
        const isGood = answer.ok && !answer.redirected;
        place.classList.toggle("stale", !isGood);
        if (isGood) place.innerHTML = await answer.text();
      } catch {
        place.classList.add("stale");
      }
    }
    setTimeout(look, everyMs);
  };
  setTimeout(look, everyMs);
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
