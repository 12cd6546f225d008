/** An export at a place: opened, or made where there is none. */
import { CodedError } from "../error.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import {
  datasetOf,
  digestOf,
  type ExportChoice,
  type ExportSettings,
  jsonBytes,
  KEYS,
  parseSettings,
  settingsOf,
} from "./settings.ts";
import { namesIn, put, readObject } from "./storage.ts";

/** What whoever writes or reads an export needs of it. */
export interface ExportTarget {
  storage: WritableStorage;
  settings: ExportSettings;
  /** Digest of the settings. */
  digest: string;
}

/**
 * The export of that choice at a place, for writing.
 * @param makes false: nothing is written where there is none yet
 * @throws CodedError INVALID_ARGUMENT / EXPORT_OTHER where another one, or something else, is there
 */
export async function openTarget(storage: WritableStorage, choice: ExportChoice, makes = true): Promise<ExportTarget> {
  const settings = settingsOf(choice);
  const bytes = jsonBytes(settings);
  let there = await readObject(storage, KEYS.settings);
  if (there === undefined) {
    const other = (await namesIn(storage, "")).find((name) => name !== KEYS.own);
    if (other !== undefined) {
      throw otherThere(storage, `it holds other things, such as ${JSON.stringify(other)}: name an empty or a new one`);
    }
    if (!makes || (await put(storage, KEYS.settings, bytes))) return { storage, settings, digest: digestOf(settings) };
    there = await readObject(storage, KEYS.settings); // somebody else was first
  }
  const found = parseSettings(storage.nameOf(KEYS.settings), there ?? new Uint8Array(0));
  const differing = ["dataset", ...Object.keys(settings)].find((key) => textOf(settings, key) !== textOf(found, key));
  if (differing !== undefined) {
    const [theirs, ours] = [textOf(found, differing), textOf(settings, differing)];
    throw otherThere(storage, `it holds another export: its ${differing} is ${theirs}, and here ${ours} is asked for`);
  }
  return { storage, settings, digest: digestOf(settings) };
}

/** The export at a place, for reading. @throws CodedError INVALID_ARGUMENT / EXPORT_UNKNOWN; as `parseSettings` */
export async function findTarget(storage: WritableStorage): Promise<ExportTarget> {
  const bytes = await readObject(storage, KEYS.settings);
  if (bytes === undefined) {
    const message = `${storage.root}: there is no export: ${storage.nameOf(KEYS.settings)} is not there`;
    throw new CodedError("INVALID_ARGUMENT", "EXPORT_UNKNOWN", message);
  }
  const settings = parseSettings(storage.nameOf(KEYS.settings), bytes);
  return { storage, settings, digest: digestOf(settings) };
}

function textOf(settings: ExportSettings, key: string): string {
  if (key === "dataset") return datasetOf(settings);
  return JSON.stringify(settings[key as keyof ExportSettings]);
}

function otherThere({ root }: WritableStorage, what: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", "EXPORT_OTHER", `${root}: ${what}`);
}
