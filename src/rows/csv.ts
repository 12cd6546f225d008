/** Lines of CSV (RFC 4180). */

/** One line without its end: null is nothing, an empty text `""`. */
export function csvLine(values: readonly unknown[]): string {
  return values.map(csvCell).join(",");
}

function csvCell(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
