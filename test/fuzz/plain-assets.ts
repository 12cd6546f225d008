/**
 * Which asset a contract is of, as one ledger tells: by the instances of asset contracts among its changes and by its
 * events, each believed only if the asset's contract is that very one. Written plainly, like plain-decoder.ts.
 * And what a stream knows of assets that earlier ledgers have shown.
 */
import { createHash } from "node:crypto";
import { formatStrkey, parseStrkey, STRKEY_ACCOUNT } from "../../src/xdr/strkey.ts";
import { contentOf, field, hasField, int32, rawOf, type XdrNode } from "./tree.ts";

export interface PlainAsset {
  type: string;
  /** Latin-1, without NULs; "" for the native asset. */
  code: string;
  /** "" for the native asset. */
  issuer: string;
}

/** By hex contract id: an asset, and the first ledger that knows it. */
export type PlainKnownAssets = Map<string, { asset: PlainAsset; ledgerFrom: number }>;

const DELAY_LEDGERS = 256;
const SCV_STRING = 14;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ISSUER_CHARACTERS = 56;
const ACCOUNT_VERSION_BYTE = 0x30;

export const NATIVE_ASSET: PlainAsset = { type: "AssetTypeAssetTypeNative", code: "", issuer: "" };

/** An issued asset and its contract's id: a code of up to 12 bytes, an issuer of 32. */
export function issuedAsset(code: Uint8Array, issuer: Uint8Array, networkId: Uint8Array): [string, PlainAsset] {
  const room = code.length <= 4 ? 4 : 12;
  const xdr = Buffer.concat([int32(room === 4 ? 1 : 2), Buffer.concat([code], room), int32(0), issuer]);
  const asset = {
    type: `AssetTypeAssetTypeCreditAlphanum${room}`,
    code: Buffer.from(code.filter((byte) => byte !== 0)).toString("latin1"),
    issuer: formatStrkey(issuer, STRKEY_ACCOUNT),
  };
  return [contractOf(xdr, networkId), asset];
}

/** Hex id of an asset's contract: sha256 of HashIDPreimage, envelope type 8, made from an asset (1). */
export function contractOf(asset: Uint8Array, networkId: Uint8Array): string {
  return createHash("sha256")
    .update(Buffer.concat([int32(8), networkId, int32(1), asset]))
    .digest("hex");
}

export function knownAsset(
  known: PlainKnownAssets | undefined,
  contract: string,
  ledgerSequence: number,
): PlainAsset | undefined {
  const entry = known?.get(contract);
  return entry !== undefined && entry.ledgerFrom <= ledgerSequence ? entry.asset : undefined;
}

/**
 * Adds what a ledger has shown: it is known 256 ledgers later. Only what SEP-11 can name is kept, so nothing whose text
 * would be another asset's (NULs within a code, or so many at its end that it takes another type).
 */
export function learn(
  known: PlainKnownAssets,
  ledgerSequence: number,
  shown: ReadonlyMap<string, PlainAsset>,
  networkId: Uint8Array,
): void {
  for (const [contract, asset] of shown) {
    if (asset.code === "") continue;
    const issuer = parseStrkey(asset.issuer, STRKEY_ACCOUNT);
    if (issuedAsset(Buffer.from(asset.code, "latin1"), issuer, networkId)[0] !== contract) continue;
    const ledgerFrom = ledgerSequence + DELAY_LEDGERS;
    if (ledgerFrom < (known.get(contract)?.ledgerFrom ?? Number.POSITIVE_INFINITY))
      known.set(contract, { asset, ledgerFrom });
  }
}

/** Letters and digits; NULs do not count. */
export function isAssetCode(code: Uint8Array): boolean {
  return /^[A-Za-z0-9\0]+$/.test(Buffer.from(code).toString("latin1"));
}

/** By hex contract id: the assets that the events of the ledger's operations prove. */
export function assetsOfEvents(txProcessing: XdrNode, networkId: Uint8Array): Map<string, PlainAsset> {
  const found = new Map<string, PlainAsset>();
  for (const processing of txProcessing.children) {
    for (const event of eventsOf(field(processing, "txApplyProcessing").children[0]!)) {
      const contract = field(event, "contractId").children[0];
      const last = field(field(event, "body").children[0]!, "topics").children.at(-1);
      if (contract === undefined || last === undefined || last.number !== SCV_STRING) continue;
      const proven = claimed(contentOf(last.children[0]!), networkId);
      const id = Buffer.from(rawOf(contract)).toString("hex");
      if (proven !== undefined && proven[0] === id) found.set(id, proven[1]);
    }
  }
  return found;
}

/** The contract events of a TransactionMeta: version 3 has them in the transaction, version 4 in its operations. */
function eventsOf(meta: XdrNode): XdrNode[] {
  if (!hasField(meta, "sorobanMeta")) return [];
  const soroban = field(meta, "sorobanMeta").children[0];
  if (soroban !== undefined && hasField(soroban, "events")) return field(soroban, "events").children;
  return field(meta, "operations").children.flatMap((operation) =>
    hasField(operation, "events") ? field(operation, "events").children : [],
  );
}

/** CODE:G… as SEP-11 writes it, and the id of its contract. The checksum of the issuer is not looked at. */
function claimed(text: Uint8Array, networkId: Uint8Array): [string, PlainAsset] | undefined {
  const colon = text.length - ISSUER_CHARACTERS - 1;
  if (colon < 1 || colon > 12 || text[colon] !== ":".charCodeAt(0)) return undefined;
  const code = text.subarray(0, colon);
  if (!isAssetCode(code)) return undefined;
  let bits = "";
  // the version byte and the issuer's 32 bytes
  for (const byte of text.subarray(colon + 1, colon + 1 + Math.ceil((33 * 8) / 5))) {
    const value = BASE32.indexOf(String.fromCharCode(byte));
    if (value < 0) return undefined;
    bits += value.toString(2).padStart(5, "0");
  }
  const bytes = Uint8Array.from({ length: 33 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
  if (bytes[0] !== ACCOUNT_VERSION_BYTE) return undefined;
  return issuedAsset(code, bytes.subarray(1), networkId);
}
