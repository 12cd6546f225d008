/**
 * Which network a ledger is of. A transaction's hash covers the network's id (sha256 of its passphrase), so hashing one
 * envelope of the ledger's transaction set and looking for it among the results' hashes tells.
 */
import { CodedError } from "../error.ts";
import {
  type EnvelopesVisitor,
  skipFeeBumpTransaction,
  skipTransaction,
  skipTransactionEnvelope,
  skipTransactionV0,
  walkEnvelopesLedgerCloseMeta,
} from "../xdr/generated/skip.ts";
import { explain, explainEnd } from "../xdr/guard.ts";
import { sha256 } from "../xdr/sha256.ts";

/** A network by the name that people use and the passphrase that its transactions are signed under. */
export interface Network {
  /** Short name, for people and options. */
  name: string;
  passphrase: string;
}

/** The networks that are tried when none is named. */
export const KNOWN_NETWORKS: readonly Network[] = [
  { name: "pubnet", passphrase: "Public Global Stellar Network ; September 2015" },
  { name: "testnet", passphrase: "Test SDF Network ; September 2015" },
  { name: "futurenet", passphrase: "Test SDF Future Network ; October 2022" },
  { name: "standalone", passphrase: "Standalone Network ; February 2017" },
  { name: "loadtest", passphrase: "load test network" },
];

const KNOWN_PASSPHRASES = KNOWN_NETWORKS.map((network) => network.passphrase);

/** The 32-byte id of a network: sha256 of its passphrase. */
export function networkId(passphrase: string): Uint8Array {
  return sha256(new TextEncoder().encode(passphrase));
}

const ENVELOPE_TX_V0 = 0;
const ENVELOPE_TX = 2;
const ENVELOPE_FEE_BUMP = 5;

/** Finds one envelope and every result's hash. */
class Witness implements EnvelopesVisitor {
  envelopeAt = -1;
  readonly hashesAt: number[] = [];

  envelope(d: DataView, p: number): number {
    if (this.envelopeAt < 0) this.envelopeAt = p;
    return skipTransactionEnvelope(d, p, 0);
  }

  transaction(_d: DataView, p: number): void {
    this.hashesAt.push(p);
  }
}

/** What is hashed for the envelope at `p`, after the network id: tagged transaction (TransactionSignaturePayload). */
function taggedTransaction(d: DataView, bytes: Uint8Array, p: number): Uint8Array {
  const type = d.getInt32(p);
  const tx = p + 4;
  // A V0 transaction is hashed as if its source were a MuxedAccount of type ed25519, and under the newer tag.
  const prefix = type === ENVELOPE_TX_V0 ? [0, 0, 0, ENVELOPE_TX, 0, 0, 0, 0] : [0, 0, 0, type];
  const end =
    type === ENVELOPE_TX_V0
      ? skipTransactionV0(d, tx, 0)
      : type === ENVELOPE_FEE_BUMP
        ? skipFeeBumpTransaction(d, tx, 0)
        : skipTransaction(d, tx, 0);
  const tagged = new Uint8Array(prefix.length + end - tx);
  tagged.set(prefix);
  tagged.set(bytes.subarray(tx, end), prefix.length);
  return tagged;
}

/**
 * The first of `passphrases` (default: the known networks) under which the ledger's transactions have the hashes that its results name; undefined
 * where none matches.
 * `hasTransactions` is false for a ledger with none, which can tell nothing.
 * @throws XdrError where the bytes are not a LedgerCloseMeta
 */
export function matchNetwork(
  bytes: Uint8Array,
  passphrases: readonly string[] = KNOWN_PASSPHRASES,
): { passphrase: string | undefined; hasTransactions: boolean } {
  const d = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const witness = new Witness();
  try {
    const end = walkEnvelopesLedgerCloseMeta(d, 0, witness);
    if (end !== d.byteLength) throw explainEnd(end, "LedgerCloseMeta", d);
  } catch (thrown) {
    throw explain(thrown, "LedgerCloseMeta", d);
  }
  if (witness.envelopeAt < 0 || witness.hashesAt.length === 0) return { passphrase: undefined, hasTransactions: false };
  const tagged = taggedTransaction(d, bytes, witness.envelopeAt);
  const payload = new Uint8Array(32 + tagged.length);
  payload.set(tagged, 32);
  const isMatch = (passphrase: string): boolean => {
    payload.set(networkId(passphrase));
    const hash = sha256(payload);
    return witness.hashesAt.some((at) => hash.every((byte, i) => byte === bytes[at + i]));
  };
  return { passphrase: passphrases.find(isMatch), hasTransactions: true };
}

/**
 * The passphrase of the network that one LedgerCloseMeta is of, out of `passphrases` (default: the known networks); undefined where the ledger has no
 * transactions or none matches.
 * @throws XdrError where the bytes are not a LedgerCloseMeta
 */
export function detectNetwork(bytes: Uint8Array, passphrases?: readonly string[]): string | undefined {
  return matchNetwork(bytes, passphrases).passphrase;
}

/**
 * Checks one LedgerCloseMeta against the configured passphrase. True where a transaction proves it, false where the
 * ledger has none and so proves nothing: ask again with the next ledger.
 * @throws CodedError FAILED_PRECONDITION / NETWORK_MISMATCH naming the passphrase, and the one that matches if known
 * @throws XdrError where the bytes are not a LedgerCloseMeta
 */
export function checkNetwork(bytes: Uint8Array, passphrase: string): boolean {
  const found = matchNetwork(bytes, [passphrase, ...KNOWN_PASSPHRASES]);
  if (!found.hasTransactions) return false;
  if (found.passphrase === passphrase) return true;
  const known = KNOWN_NETWORKS.find((network) => network.passphrase === found.passphrase);
  const remedy =
    known === undefined ? "none of the known ones matches" : `they are of ${known.name}: set "${known.passphrase}"`;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "NETWORK_MISMATCH",
    `the ledgers are not of the network with passphrase "${passphrase}": ${remedy}`,
  );
}
