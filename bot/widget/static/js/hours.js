// "Mon-Fri 09:00-18:00" in the customer's language.

/** @param {string} hours  comma-separated ranges; a part it cannot read is shown as it is. */
export function describeHours(hours, timezone, texts) {
  const days = texts("days");
  const city = (timezone ?? "").split("/").at(-1).replaceAll("_", " ");
  const parts = (hours ?? "").split(",").map((part) => {
    const match = part.trim().match(/^([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))?\s+(\d\d?:\d\d)-(\d\d?:\d\d)$/);
    if (!match || !days[match[1]] || (match[2] && !days[match[2]])) return part.trim();
    const span = match[2] ? texts("day_range", { from: days[match[1]], to: days[match[2]] }) : days[match[1]];
    return texts("hours_range", {
      days: span,
      hours: `${match[3]}–${match[4]}`,
      timezone: texts("cities")[city] ?? city,
    });
  });
  return parts.join("; ");
}
