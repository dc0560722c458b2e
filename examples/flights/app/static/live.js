// Makes an import's page live. Without it the page reloads itself every two seconds while the import runs.
"use strict";

const live = document.getElementById("live");
const spoken = document.getElementById("spoken");
const events = new EventSource(live.dataset.events);
let isAsking = false;
let askAgain = false;

// An event only says that something changed; what is seen comes from the server as HTML, as at the first load.
events.addEventListener("status", refresh);

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
