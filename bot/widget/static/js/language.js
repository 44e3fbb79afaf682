// Runs before the page is painted, so that a page in Chinese never flashes in English.
// The choice is kept in a cookie (the server reads it too) and wins over what the server guessed.
(() => {
  "use strict";
  const root = document.documentElement;
  const kept = document.cookie.match(/(?:^|;\s*)teller_language=(en|zh)\b/);
  const language = kept ? kept[1] : root.dataset.language === "zh" ? "zh" : "en";
  root.dataset.language = language;
  if (language === "en") return;
  root.dataset.pending = ""; // hidden until site.js has swapped the texts, but never for long
  setTimeout(() => delete root.dataset.pending, 3000);
})();
