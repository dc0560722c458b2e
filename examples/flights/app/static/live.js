// Makes an import's page live. Without it the page reloads itself every two seconds while the import runs.
"use strict";

const live = document.getElementById("live");
const spoken = document.getElementById("spoken");
let events;
let isAsking = false;
let askAgain = false;

follow();

function follow() {
  events = new EventSource(live.dataset.events);
  // An event only says that something changed; what is seen comes from the server as HTML, as at the first load.
  events.addEventListener("status", refresh);
  // It comes back by itself, but not where it was answered with anything else, as by a proxy before a server that restarts.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

async function refresh() {
  askAgain = isAsking;
  if (isAsking) return;
  isAsking = true;
  try {
    do {
      askAgain = false;
      await show();
    } while (askAgain);
  } finally {
    isAsking = false;
  }
}

async function show() {
  const answer = await fetch(live.dataset.page);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of page.querySelectorAll("section[id]")) {
    const shown = document.getElementById(part.id);
    // What has not changed is left alone: a button that is being pressed, text that is being selected.
    if (shown.innerHTML !== part.innerHTML) shown.replaceWith(part);
  }
  say(document.getElementById("headline").innerText.trim());
  if (page.querySelector("[data-is-over]")) events.close();
}

function say(words) {
  // Read out by screen readers, so only when it is something new: not each number.
  if (spoken.textContent !== words) spoken.textContent = words;
}
