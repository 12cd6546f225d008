/**
 * Where a lake behind a plain web server is: `https://host/path`, with what its names cannot tell: `?ledgersPerFile=`,
 * `?filesPerPartition=` and `?extension=` where it has no manifest, and `?ledger=`. Every other option goes to the server
 * with each request, as signed addresses need it. Nothing is opened here.
 */
import { CodedError } from "../../error.ts";
import type { LakeLayout } from "../lake/lake-layout.ts";
import type { KnownOfLake } from "../lake/lake-storage.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";

/** A lake's place behind a web server. */
export interface WebAddress {
  /** For people: scheme, host and path, with a slash at the end. No password and no option, for these may be keys. */
  root: string;
  /** What goes behind each object's path: empty, or from the question mark on. */
  query: string;
  /** An `Authorization` header, where the address has a user and a password. */
  authorization: string | undefined;
  known: KnownOfLake;
}

/**
 * Reads an `https://` or `http://` address.
 * @throws CodedError INVALID_ARGUMENT / WEB_ADDRESS with what is wrong in it, and without its password and options
 */
export function parseWebAddress(text: string): WebAddress {
  const url = URL.parse(text);
  const shown = url === null ? "the lake's address" : `${url.origin}${url.pathname}`;
  const wrong = (what: string) =>
    new CodedError(
      "INVALID_ARGUMENT",
      "WEB_ADDRESS",
      `${shown}: ${what}: write https://host/path, with ?ledgersPerFile=1&filesPerPartition=64000 where it has no .config.json`,
    );
  if (url === null || !/^https?:$/.test(url.protocol)) throw wrong("it is no http(s) address");
  if (url.hash !== "") throw wrong("it has a #fragment, which no server sees");
  const options = url.searchParams;
  const take = (name: string): string | undefined => {
    const value = options.get(name) ?? undefined;
    options.delete(name);
    return value;
  };
  const count = (name: string): number | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (/^[1-9]\d{0,9}$/.test(value) && Number(value) <= LEDGER_SEQUENCE_MAX) return Number(value);
    throw wrong(`${name} is ${JSON.stringify(value)}, and it must be a whole number from 1 to ${LEDGER_SEQUENCE_MAX}`);
  };
  const [ledgersPerBatch, batchesPerPartition] = [count("ledgersPerFile"), count("filesPerPartition")];
  const ledger = count("ledger");
  const extension = take("extension") ?? "zst";
  if (extension !== "zst" && extension !== "zstd")
    throw wrong(`extension is ${JSON.stringify(extension)}, not zst or zstd`);
  let layout: LakeLayout | undefined;
  if (ledgersPerBatch !== undefined && batchesPerPartition !== undefined)
    layout = { ledgersPerBatch, batchesPerPartition, extension };
  else if (ledgersPerBatch !== batchesPerPartition) throw wrong("ledgersPerFile and filesPerPartition go together");
  return {
    root: `${shown.replace(/\/+$/, "")}/`,
    query: options.size === 0 ? "" : `?${options}`,
    authorization: url.username === "" && url.password === "" ? undefined : basic(url, wrong),
    known: { layout, ledger },
  };
}

function basic({ username, password }: URL, wrong: (what: string) => CodedError): string {
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair).toString("base64")}`;
  } catch {
    throw wrong("its user or password has a % that begins no escape");
  }
}
