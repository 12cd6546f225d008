/** The forms in which HTTP gives rows, and which of them a request wants. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";

/** A form by its name in `format=`. */
export type RowFormat = "ndjson" | "csv" | "arrow" | "sse";

/** The media type of each form, and the other names that it has in Accept. */
export const MEDIA_TYPES: Readonly<Record<RowFormat, { type: string; aliases: readonly string[] }>> = {
  ndjson: { type: "application/x-ndjson", aliases: ["application/ndjson", "application/jsonl"] },
  csv: { type: "text/csv; charset=utf-8; header=present", aliases: ["text/csv"] },
  arrow: { type: "application/vnd.apache.arrow.stream", aliases: [] },
  sse: { type: "text/event-stream", aliases: [] },
};

const FORMATS = Object.keys(MEDIA_TYPES) as RowFormat[];
const BY_TYPE = new Map(
  FORMATS.flatMap((format) => {
    const { type, aliases } = MEDIA_TYPES[format];
    return [type, ...aliases].map((each) => [each, format] as const);
  }),
);

/** Media types that Accept is compared with, the one first that a client gets who takes anything. */
export const ACCEPTED_TYPES: readonly string[] = [...BY_TYPE.keys()];

/**
 * @param named what `format=` says
 * @param accepted one of ACCEPTED_TYPES, by Accept
 * @throws CodedError INVALID_ARGUMENT / FORMAT
 */
export function rowFormatOf(named: string | undefined, accepted: string): RowFormat {
  if (named === undefined) return BY_TYPE.get(accepted) ?? "ndjson";
  const format = FORMATS.find((each) => each === named);
  if (format !== undefined) return format;
  throw new CodedError("INVALID_ARGUMENT", "FORMAT", `the format is ${quoted(named)}: use ${FORMATS.join(", ")}`);
}
