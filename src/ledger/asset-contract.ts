/**
 * The contract id that an asset's Stellar Asset Contract must have: sha256 of HashIDPreimage{ENVELOPE_TYPE_CONTRACT_ID,
 * network id, FROM_ASSET, asset} (Stellar-transaction.x). So a contract's id proves its asset. HOT PATH.
 */
import { sha256, sha256Into } from "../xdr/sha256.ts";

const ENVELOPE_TYPE_CONTRACT_ID = 8;
const CONTRACT_ID_PREIMAGE_FROM_ASSET = 1;
const XDR_ASSET_TYPE_NATIVE = 0;
const XDR_ASSET_TYPE_ALPHANUM4 = 1;
const XDR_ASSET_TYPE_ALPHANUM12 = 2;
const PREIMAGE_NETWORK = 4;
const PREIMAGE_ASSET = 40;

/** Most bytes of an asset's code. */
export const CODE_BYTES_MAX = 12;

/** Contract ids of assets on one network. */
export class AssetContract {
  private readonly preimage = new Uint8Array(96);
  private readonly view = new DataView(this.preimage.buffer);
  /** The preimage up to its end for either code length: views made once. */
  private readonly preimage4 = this.preimage.subarray(0, PREIMAGE_ASSET + 4 + 4 + 36);
  private readonly preimage12 = this.preimage.subarray(0, PREIMAGE_ASSET + 4 + 12 + 36);
  private readonly id = new Uint8Array(32);
  private readonly idView = new DataView(this.id.buffer);
  /** The native asset's contract. */
  readonly native: DataView;

  constructor(networkId: Uint8Array) {
    this.view.setInt32(0, ENVELOPE_TYPE_CONTRACT_ID);
    this.preimage.set(networkId, PREIMAGE_NETWORK);
    this.view.setInt32(PREIMAGE_NETWORK + 32, CONTRACT_ID_PREIMAGE_FROM_ASSET);
    this.view.setInt32(PREIMAGE_ASSET, XDR_ASSET_TYPE_NATIVE);
    this.native = new DataView(sha256(this.preimage.subarray(0, PREIMAGE_ASSET + 4)).buffer);
  }

  /**
   * The id for an issued asset, valid until the next call: code of 1 to 12 bytes at `codeAt`, whose length decides the
   * asset's type, and 32 bytes of issuer at `issuerAt`.
   */
  of(code: DataView, codeAt: number, codeBytes: number, issuer: DataView, issuerAt: number): DataView {
    const room = codeBytes <= 4 ? 4 : CODE_BYTES_MAX;
    const { preimage, view } = this;
    view.setInt32(PREIMAGE_ASSET, room === 4 ? XDR_ASSET_TYPE_ALPHANUM4 : XDR_ASSET_TYPE_ALPHANUM12);
    for (let i = 0; i < room; i++) preimage[PREIMAGE_ASSET + 4 + i] = i < codeBytes ? code.getUint8(codeAt + i) : 0;
    const at = PREIMAGE_ASSET + 4 + room;
    view.setInt32(at, 0); // PublicKey: ed25519
    for (let i = 0; i < 32; i += 4) view.setUint32(at + 4 + i, issuer.getUint32(issuerAt + i));
    sha256Into(room === 4 ? this.preimage4 : this.preimage12, this.id);
    return this.idView;
  }
}
