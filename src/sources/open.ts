/** From what a user writes to the source that it means. */
import { fileURLToPath } from "node:url";
import { CodedError } from "../error.ts";
import { LocalLake } from "./local-lake.ts";
import { RawLedgerSource } from "./raw-ledger-grpc.ts";
import { RepeatingSource } from "./repeating.ts";
import type { LedgerSource } from "./source.ts";

/** A source by its kind, for callers that have taken the text apart already. An empty host is this machine. */
export type SourceSpec =
  | { kind: "grpc"; address: { host: string; port: number } }
  | { kind: "lake"; path: string }
  | { kind: "repeat"; path: string };

const PORT_MAX = 65_535; // TCP's

/**
 * Opens a source: `host:port`, `[ipv6]:port` or `:port` is a RawLedgerService; a path with a slash in it (`./lake`),
 * `.`, `..` or a `file:` URL is a lake folder; `repeat:` before one of those repeats its ledgers without end. A lake is looked
 * at here; a service is connected to when it is read.
 * @throws CodedError INVALID_ARGUMENT / SOURCE_SPEC with what is accepted; else as LocalLake.open, RepeatingSource.open
 */
export async function openSource(spec: string | SourceSpec): Promise<LedgerSource> {
  const parsed = typeof spec === "string" ? parseSourceSpec(spec) : spec;
  switch (parsed.kind) {
    case "lake":
      return LocalLake.open(parsed.path);
    case "repeat":
      return RepeatingSource.open(parsed.path);
    case "grpc":
      return new RawLedgerSource(targetOf(parsed.address));
  }
}

/** What `text` means as a source. @throws CodedError INVALID_ARGUMENT / SOURCE_SPEC */
export function parseSourceSpec(text: string): SourceSpec {
  if (text.startsWith("repeat:")) {
    const path = folderPath(text.slice("repeat:".length));
    if (path !== undefined) return { kind: "repeat", path };
    throw unknown(text);
  }
  const path = folderPath(text);
  if (path !== undefined) return { kind: "lake", path };
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? 0);
  if (match === null || port === 0 || port > PORT_MAX) throw unknown(text);
  return { kind: "grpc", address: { host: match[1] ?? match[2] ?? "", port } };
}

function folderPath(text: string): string | undefined {
  if (text.startsWith("file:")) {
    try {
      return fileURLToPath(text);
    } catch {
      return undefined;
    }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  return text.includes("/") || text === "." || text === ".." ? text : undefined;
}

function targetOf({ host, port }: { host: string; port: number }): string {
  const name = host === "" ? "127.0.0.1" : host;
  return name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`;
}

function unknown(text: string): CodedError {
  return new CodedError(
    "INVALID_ARGUMENT",
    "SOURCE_SPEC",
    `"${text}" is no source: give host:port of a raw ledger service, the path of a lake folder (./lake, /data/lake, file:///data/lake), or repeat:<path> to repeat its ledgers without end`,
  );
}
