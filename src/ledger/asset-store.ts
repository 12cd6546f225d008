/** Assets by number, as bytes: what rows refer to when their own entry does not name their contract's asset. */
import { ASSET_ALPHANUM4, ASSET_ALPHANUM12, ASSET_NATIVE } from "./terms.ts";

const ASSET_BYTES = 48; // issuer 32, code 12, type 1, code length 1, unused 2
const CODE = 32;
const TYPE = 44;
const CODE_LENGTH = 45;

/** Assets in one growing array; a number is an index into it. */
export class AssetStore {
  size = 0;
  private bytes = new Uint8Array(16 * ASSET_BYTES);
  /** A view on all assets: codes and issuers are read through it. */
  view = new DataView(this.bytes.buffer);

  clear(): void {
    this.size = 0;
  }

  /** Number of the native asset, added. */
  addNative(): number {
    const at = this.grow();
    this.bytes[at + TYPE] = ASSET_NATIVE;
    return this.size - 1;
  }

  /** Number of an issued asset, added: its code (NULs in it do not count) and its issuer's 32 bytes. */
  addIssued(code: DataView, codeAt: number, codeBytes: number, issuer: DataView, issuerAt: number): number {
    const at = this.grow();
    const { bytes, view } = this;
    for (let i = 0; i < 32; i += 4) view.setUint32(at + i, issuer.getUint32(issuerAt + i));
    let length = 0;
    for (let i = 0; i < codeBytes; i++) {
      const byte = code.getUint8(codeAt + i);
      if (byte !== 0) bytes[at + CODE + length++] = byte;
    }
    bytes[at + TYPE] = codeBytes <= 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12;
    bytes[at + CODE_LENGTH] = length;
    return this.size - 1;
  }

  /** Number of a copy of `other`'s asset `index`. */
  addFrom(other: AssetStore, index: number): number {
    const at = this.grow();
    this.bytes.set(other.bytes.subarray(index * ASSET_BYTES, (index + 1) * ASSET_BYTES), at);
    return this.size - 1;
  }

  /** ASSET_… of terms.ts. */
  type(index: number): number {
    return this.bytes[index * ASSET_BYTES + TYPE]!;
  }

  /** In `view`: where the code begins, */
  codeAt(index: number): number {
    return index * ASSET_BYTES + CODE;
  }

  /** how many bytes it has (0 for the native asset), */
  codeBytes(index: number): number {
    return this.bytes[index * ASSET_BYTES + CODE_LENGTH]!;
  }

  /** and where the issuer's 32 bytes begin (zeros for the native asset). */
  issuerAt(index: number): number {
    return index * ASSET_BYTES;
  }

  /** Offset of a new asset, all zero. */
  private grow(): number {
    const at = this.size * ASSET_BYTES;
    if (at + ASSET_BYTES > this.bytes.length) {
      const grown = new Uint8Array(this.bytes.length * 2);
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.bytes.fill(0, at, at + ASSET_BYTES);
    this.size++;
    return at;
  }
}
