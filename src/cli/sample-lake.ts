/**
 * The sample lake, in the binary too: from source it is the folder `sample/lake`; in the binary its files are inside,
 * and are laid out in a temporary folder for as long as they are needed.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../sample/lake/.config.json";
import ledger58752000 from "../../sample/lake/FC7F83FF--58752000-58815999/FC7F83FF--58752000.xdr.zst" with {
  type: "file",
};
import ledger58751999 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8400--58751999.xdr.zst" with {
  type: "file",
};
import ledger58751998 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8401--58751998.xdr.zst" with {
  type: "file",
};
import ledger58751997 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8402--58751997.xdr.zst" with {
  type: "file",
};
import ledger58751996 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8403--58751996.xdr.zst" with {
  type: "file",
};
import ledger58751995 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8404--58751995.xdr.zst" with {
  type: "file",
};
import ledger58751994 from "../../sample/lake/FC807DFF--58688000-58751999/FC7F8405--58751994.xdr.zst" with {
  type: "file",
};
import { CodedError } from "../error.ts";

/** The ledgers of the embedded lake, inclusive. */
export const SAMPLE_LEDGER_FIRST = 58751994;
export const SAMPLE_LEDGER_LAST = 58752000;
/** The passphrase of its network. */
export const SAMPLE_NETWORK_PASSPHRASE: string = manifest.networkPassphrase;

const FOLDER = fileURLToPath(new URL("../../sample/lake", import.meta.url));

/** Memory is writable where a container's root is not. */
const TEMPORARY_PLACES = [tmpdir(), "/dev/shm"];

/** By their place in the lake. */
const FILES: Readonly<Record<string, string>> = {
  "FC807DFF--58688000-58751999/FC7F8405--58751994.xdr.zst": ledger58751994,
  "FC807DFF--58688000-58751999/FC7F8404--58751995.xdr.zst": ledger58751995,
  "FC807DFF--58688000-58751999/FC7F8403--58751996.xdr.zst": ledger58751996,
  "FC807DFF--58688000-58751999/FC7F8402--58751997.xdr.zst": ledger58751997,
  "FC807DFF--58688000-58751999/FC7F8401--58751998.xdr.zst": ledger58751998,
  "FC807DFF--58688000-58751999/FC7F8400--58751999.xdr.zst": ledger58751999,
  "FC7F83FF--58752000-58815999/FC7F83FF--58752000.xdr.zst": ledger58752000,
};

/** The lake's folder; `remove` takes a temporary one away again. */
export function openSampleLake(): { folder: string; remove(): void } {
  if (existsSync(FOLDER)) return { folder: FOLDER, remove: () => {} };
  const folder = temporaryFolder();
  for (const [place, embedded] of Object.entries(FILES)) {
    const path = join(folder, place);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, readFileSync(embedded)); // files inside the binary can be read, not copied
  }
  writeFileSync(join(folder, ".config.json"), JSON.stringify(manifest));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** @throws CodedError where no place can be written to */
function temporaryFolder(): string {
  for (const place of TEMPORARY_PLACES) {
    try {
      return mkdtempSync(join(place, "contract-data-sample-"));
    } catch {}
  }
  const places = TEMPORARY_PLACES.join(" and ");
  throw new CodedError(
    "FAILED_PRECONDITION",
    "NO_TEMPORARY_FOLDER",
    `the sample is laid out in a temporary folder, and neither of ${places} can be written to: set TMPDIR`,
  );
}
