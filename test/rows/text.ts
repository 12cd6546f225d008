/** Readers of what HTTP gives as text, for tests. */

interface SseEvent {
  event: string;
  id: string | undefined;
  data: string;
}

/** The events of a whole stream, by the rules of HTML's event stream. */
export function sseEvents(text: string): SseEvent[] {
  const events: SseEvent[] = [];
  let id: string | undefined;
  for (const block of text.split("\n\n")) {
    const data: string[] = [];
    let event = "message";
    for (const line of block.split("\n")) {
      const [, field, value = ""] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
      if (field === "data") data.push(value);
      else if (field === "event") event = value;
      else if (field === "id") id = value;
    }
    if (data.length > 0) events.push({ event, id, data: data.join("\n") });
  }
  return events;
}

/** Cells of CSV by RFC 4180; a cell that is nothing is null. */
export function csvRows(text: string): (string | null)[][] {
  const rows: (string | null)[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)!.push(quoted !== undefined ? quoted.replaceAll('""', '"') : plain || null);
    if (end === "\n") rows.push([]);
  }
  return rows.slice(0, -1);
}
