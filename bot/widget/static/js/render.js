// Reply text (a small part of markdown) to HTML. Everything is escaped first and sanitised last; either alone would do.
import createDOMPurify from "/vendor/dompurify/dist/purify.es.mjs";

const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "strong", "ul", "ol", "li", "a"],
  ALLOWED_ATTR: ["href"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

const purify = createDOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  const path = ownPath(node.getAttribute("href"));
  if (path) node.setAttribute("href", path);
  else node.removeAttribute("href");
});

/** The path of a link to our own site, else null (other sites, `javascript:`, `data:`, mail). */
export function ownPath(href) {
  try {
    const url = new URL(href ?? "", location.origin);
    if (!href || url.origin !== location.origin || url.username || url.password) return null;
    return url.pathname + url.search + url.hash;
  } catch {
    return null; // not a URL at all
  }
}

export function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

// image | link | bold; an image becomes its description, a link elsewhere becomes its words.
const INLINE = /(!?)\[([^\]\n]*)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)|\*\*([^\n]+?)\*\*/g;

function inline(text) {
  let html = "";
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    html += escapeHtml(text.slice(from, match.index));
    from = match.index + match[0].length;
    const [, image, label, target, bold] = match;
    if (bold !== undefined) {
      html += `<strong>${inline(bold)}</strong>`;
      continue;
    }
    const path = image ? null : ownPath(target);
    html += path ? `<a href="${escapeHtml(path)}">${escapeHtml(label)}</a>` : escapeHtml(label);
  }
  return html + escapeHtml(text.slice(from));
}

/** @returns {string} sanitised HTML of bold, lists, paragraphs, line breaks and links to our own site. */
export function renderReply(text) {
  const blocks = [];
  let open = null; // {tag, items} while lines belong together
  for (const line of String(text ?? "").split(/\r\n|\r|\n/)) {
    const bullet = line.match(/^\s*[-*•]\s+(.+)$/);
    const numbered = line.match(/^\s*\d{1,3}[.)、]\s*(?=\D)(.+)$/);
    const tag = bullet ? "ul" : numbered ? "ol" : "p";
    if (!line.trim()) {
      open = null;
      continue;
    }
    if (open?.tag !== tag) blocks.push((open = { tag, items: [] }));
    open.items.push(inline((bullet ?? numbered)?.[1] ?? line));
  }
  const html = blocks.map(({ tag, items }) =>
    tag === "p"
      ? `<p>${items.join("<br>")}</p>`
      : `<${tag}>${items.map((item) => `<li>${item}</li>`).join("")}</${tag}>`,
  );
  return purify.sanitize(html.join(""), ALLOWED);
}

/** What the customer wrote: no markup at all, line breaks kept. */
export function renderPlain(text) {
  const lines = String(text ?? "")
    .split("\n")
    .map(escapeHtml);
  return purify.sanitize(`<p>${lines.join("<br>")}</p>`, ALLOWED);
}
