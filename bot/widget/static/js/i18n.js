// Texts of the chat, one JSON file a language.
const loaded = new Map();

/** "zh" for any Chinese, else "en". */
export function languageOf(value) {
  return /^zh\b/i.test(value ?? "") ? "zh" : "en";
}

/** @returns {Promise<(key: string, values?: object) => any>} a lookup; `{name}` in a text is filled from `values`. */
export async function loadTexts(language) {
  const name = languageOf(language);
  if (!loaded.has(name)) {
    const answer = await fetch(new URL(`../i18n/chat.${name}.json`, import.meta.url));
    if (!answer.ok) throw new Error(`chat.${name}.json: ${answer.status}`);
    loaded.set(name, await answer.json());
  }
  const table = loaded.get(name);
  return (key, values = {}) => {
    const text = table[key];
    if (typeof text !== "string") return text;
    return text.replace(/\{(\w+)\}/g, (whole, slot) => (slot in values ? String(values[slot]) : whole));
  };
}
