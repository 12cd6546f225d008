/** Assets as text (SEP-11): `native`, or `CODE:G…`. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { parseStrkey, STRKEY_ACCOUNT } from "./strkey.ts";

/** SEP-11 names of assets: the native one's, and how many one list may hold. */
export const SEP11_NATIVE = "native";
export const ASSETS_GIVEN_MAX = 10_000; // of one list: 700 kB of text, kept with a session and by every worker
const SHOWN_MAX = 80; // characters of a wrong asset that its error repeats; the longest right one has 69

/** @throws CodedError INVALID_ARGUMENT / INVALID_ASSET for anything but an issued asset */
export function parseSep11(asset: string): { code: string; issuer: Uint8Array } {
  const refuse = (why: string): never => {
    const shown = quoted(asset, SHOWN_MAX);
    throw new CodedError("INVALID_ARGUMENT", "INVALID_ASSET", `${shown} is neither native nor CODE:G…: ${why}`);
  };
  const colon = asset.indexOf(":");
  if (colon < 0) refuse('there is no ":G…" in it, which names the issuer');
  const code = asset.slice(0, colon);
  if (code.length < 1 || code.length > 12) refuse(`its code has ${code.length} characters, not 1 to 12`);
  if (!/^[a-zA-Z0-9]+$/.test(code)) refuse("its code has other characters than letters and digits");
  try {
    return { code, issuer: parseStrkey(asset.slice(colon + 1), STRKEY_ACCOUNT) };
  } catch {
    return refuse("its issuer is not the strkey of an account");
  }
}

/**
 * A list of assets without repeated ones, once each is known to be one.
 * @param name of the list in errors, as whoever wrote it has it: `known_assets`
 * @param where the list stands, in errors: ` in the ticket`
 * @throws CodedError INVALID_ARGUMENT / INVALID_ASSET with the index of the bad entry, ASSETS_TOO_LONG
 */
export function checkedAssets(assets: readonly string[], name: string, where = ""): string[] {
  if (assets.length > ASSETS_GIVEN_MAX) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "ASSETS_TOO_LONG",
      `${name}${where} has ${assets.length} assets, over max ${ASSETS_GIVEN_MAX}: the others are learned from the ledgers`,
    );
  }
  assets.forEach((asset, index) => {
    if (asset === SEP11_NATIVE) return;
    try {
      parseSep11(asset);
    } catch (thrown) {
      const { message } = CodedError.from(thrown);
      throw new CodedError("INVALID_ARGUMENT", "INVALID_ASSET", `${name}[${index}]${where}: ${message}`);
    }
  });
  return [...new Set(assets)];
}
