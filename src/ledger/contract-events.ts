/** Contract events, for the assets that they name. HOT PATH. */
import { CONTRACT_EVENT_BYTES_MIN, skipScVal } from "../xdr/generated/skip.ts";
import { fail } from "../xdr/limits.ts";
import type { LedgerAssets } from "./ledger-assets.ts";
import { SCV_STRING } from "./terms.ts";

/**
 * Reads the list of ContractEvents at `p`; the last topic of an asset contract's event may name the asset (SEP-41), and
 * `assets` is told of each such claim.
 *
 * @returns the position after the list
 * @throws XdrFault (by `fail`) where the bytes are no such list
 */
export function readContractEvents(d: DataView, p: number, assets: LedgerAssets): number {
  let left = d.getInt32(p);
  if (left < 0 || left * CONTRACT_EVENT_BYTES_MIN > d.byteLength - p - 4) fail();
  p += 4;
  for (; left > 0; left--) p = readContractEvent(d, p, assets);
  return p;
}

/** ContractEvent at `p`: ext, contract id or none, type, topics, data. */
function readContractEvent(d: DataView, p: number, assets: LedgerAssets): number {
  const hasContract = d.getInt32(p + 4);
  if (d.getInt32(p) !== 0 || hasContract < 0 || hasContract > 1) fail();
  const contractAt = p + 8;
  p = contractAt + 32 * hasContract + 4;
  let topics = d.getInt32(p + 4);
  if (d.getInt32(p) !== 0 || topics < 0 || topics * 4 > d.byteLength - p - 8) fail();
  p += 8;
  let last = p;
  const hasTopics = topics > 0;
  for (; topics > 0; topics--) {
    last = p;
    p = skipScVal(d, p, 0);
  }
  if (hasContract === 1 && hasTopics && d.getInt32(last) === SCV_STRING) {
    assets.claim(contractAt, last + 8, d.getUint32(last + 4));
  }
  return skipScVal(d, p, 0);
}
