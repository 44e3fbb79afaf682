// The bank's own pages: language switch, links into the chat, login and logout.
import { describeHours } from "./hours.js";
import { loadTexts } from "./i18n.js";
import { Memory } from "./session.js";

const root = document.documentElement;
const MARKED = {
  text: { selector: "[data-i18n]", key: "i18n" },
  label: { selector: "[data-i18n-label]", key: "i18nLabel", attribute: "aria-label" },
  alt: { selector: "[data-i18n-alt]", key: "i18nAlt", attribute: "alt" },
};
const originals = new Map(); // element -> its English texts, as the server rendered them
let chinese = null;

/** Swaps every marked text; English is what the server rendered. */
async function setLanguage(language) {
  if (language !== "en" && !chinese) {
    const answer = await fetch("/static/i18n/site.zh.json");
    if (!answer.ok) throw new Error(`site.zh.json: ${answer.status}`);
    chinese = await answer.json();
  }
  const texts = language === "en" ? null : chinese;
  for (const [kind, { selector, key, attribute }] of Object.entries(MARKED)) {
    for (const element of document.querySelectorAll(selector)) {
      const kept = originals.get(element) ?? {};
      originals.set(element, kept);
      kept[kind] ??= attribute ? element.getAttribute(attribute) : element.textContent;
      const text = texts?.[element.dataset[key]] ?? kept[kind];
      if (attribute) element.setAttribute(attribute, text);
      else element.textContent = text;
    }
  }
  root.lang = language === "zh" ? "zh-CN" : "en";
  root.dataset.language = language;
  for (const button of document.querySelectorAll("[data-set-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setLanguage === language));
  }
  document.dispatchEvent(new CustomEvent("teller:language", { detail: language }));
}

async function showHours() {
  const texts = await loadTexts(root.dataset.language);
  for (const element of document.querySelectorAll(".js-hours")) {
    element.textContent = describeHours(element.dataset.hours, element.dataset.timezone, texts);
  }
}

/** Where to go back to after the login; only a path of this site. */
function safePath(value) {
  if (!value || !value.startsWith("/") || value.startsWith("//") || value.includes("\\")) return "/";
  const url = new URL(value, location.origin);
  return url.origin === location.origin ? url.pathname + url.search + url.hash : "/";
}

for (const button of document.querySelectorAll("[data-set-language]")) {
  button.addEventListener("click", () => {
    const language = button.dataset.setLanguage;
    document.cookie = `teller_language=${language}; path=/; max-age=31536000; samesite=lax`;
    setLanguage(language).then(showHours);
  });
}

for (const link of document.querySelectorAll(".js-login")) {
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
}
for (const field of document.querySelectorAll(".js-next")) {
  const asked = new URLSearchParams(location.search).get("next");
  field.value = safePath(asked ?? field.value);
}
const remark = document.querySelector(".login-continue");
if (remark) remark.hidden = !new Memory().state.open;

for (const button of document.querySelectorAll(".js-open-chat")) {
  button.addEventListener("click", () => document.dispatchEvent(new CustomEvent("teller:open")));
}
for (const form of document.querySelectorAll(".js-logout")) {
  form.addEventListener("submit", () => document.dispatchEvent(new CustomEvent("teller:logout")));
}

try {
  await setLanguage(root.dataset.language === "zh" ? "zh" : "en");
  await showHours();
} finally {
  delete root.dataset.pending;
}
