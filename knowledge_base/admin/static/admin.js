// Small helpers; every page works without them.
"use strict";

// Blocks that follow the server: <div data-refresh="/address" data-every="milliseconds">.
for (const block of document.querySelectorAll("[data-refresh]")) {
  let shown = null;
  scrollToEnd(block);

  const refresh = async () => {
    if (document.hidden) return;
    let response;
    try {
      response = await fetch(block.dataset.refresh, { headers: { "X-Fragment": "1" } });
    } catch {
      return; // the server is restarting: the next round asks again
    }
    if (response.status === 401) return location.reload();
    if (!response.ok) return;
    const html = await response.text(); // our own template, escaped by the server
    if (html === shown) return;
    const first = shown === null;
    shown = html;
    if (first && block.innerHTML.trim() === html.trim()) return;
    replace(block, html);
  };

  setInterval(refresh, Number(block.dataset.every));
}

function replace(block, html) {
  const focused = block.contains(document.activeElement) ? document.activeElement.id : "";
  const list = block.querySelector(".transcript");
  const atEnd = !list || list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const top = list ? list.scrollTop : 0;
  block.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus();
  if (atEnd) scrollToEnd(block);
  else block.querySelector(".transcript").scrollTop = top;

  // Somebody took, returned or lost this conversation: the form below must change too, but typed text must not vanish.
  const now = block.querySelector("[data-state-now]")?.dataset.stateNow;
  if (now !== undefined && now !== block.dataset.state) {
    const draft = document.querySelector("#reply textarea");
    if (!draft || draft.value.trim() === "") location.reload();
  }
}

function scrollToEnd(block) {
  const list = block.querySelector(".transcript");
  if (list) list.scrollTop = list.scrollHeight;
}

// How many customers wait, on every page of somebody who may answer them.
const badge = document.querySelector("[data-waiting]");
if (badge) {
  const title = document.title;
  const count = async () => {
    if (document.hidden) return;
    try {
      const response = await fetch("/api/handoffs");
      if (!response.ok) return;
      const { waiting } = await response.json();
      badge.hidden = waiting === 0;
      badge.querySelector("[data-count]").textContent = waiting;
      document.title = waiting ? `(${waiting}) ${title}` : title;
    } catch {
      // asked again in a moment
    }
  };
  count();
  setInterval(count, 5000);
}

// Text that is not saved yet.
for (const form of document.querySelectorAll("[data-unsaved]")) {
  let changed = false;
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}

// Enter sends a reply, Shift+Enter starts a line; Enter that only picks a Chinese candidate does neither.
for (const form of document.querySelectorAll("[data-send-on-enter]")) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.tagName === "TEXTAREA") {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
