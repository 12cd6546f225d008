/** Which network the ledgers of one input (a file, a lake folder) are of. */
import { CodedError } from "../error.ts";
import { detectNetwork, KNOWN_NETWORKS, matchNetwork } from "../ledger/network.ts";
import type { FileLedger } from "../sources/source-ledgers.ts";

const HELD_BYTES_MAX = 256 << 20; // a ledger without a transaction has some kilobytes; one with many evictions, a megabyte

/** Finds out, or checks, the network of an input; the first ledger that has a transaction tells. */
export class InputNetwork {
  private proven = false;
  private passphrase: string | undefined;

  /** @param given what the command line or the lake's manifest says */
  constructor(private readonly given: string | undefined) {
    this.passphrase = given;
  }

  /**
   * The passphrase, from the ledgers up to this one; undefined where none is given and none of them has a transaction.
   * @throws CodedError FAILED_PRECONDITION / NETWORK_MISMATCH, NETWORK_UNKNOWN
   */
  of(ledger: Uint8Array): string | undefined {
    if (this.proven) return this.passphrase;
    const { given } = this;
    const { passphrase, hasTransactions } = matchNetwork(ledger, given === undefined ? undefined : [given]);
    if (hasTransactions) {
      if (passphrase === undefined) throw refusal(given, ledger);
      this.passphrase = passphrase;
      this.proven = true;
    }
    return this.passphrase;
  }
}

function refusal(given: string | undefined, ledger: Uint8Array): CodedError {
  if (given === undefined) {
    const names = KNOWN_NETWORKS.map((network) => network.name).join(", ");
    return new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_UNKNOWN",
      `its transactions are of none of the known networks (${names}): name it with --network-passphrase`,
    );
  }
  const other = detectNetwork(ledger);
  const remedy = other === undefined ? "they are of no known network" : `they are of "${other}"`;
  return new CodedError(
    "FAILED_PRECONDITION",
    "NETWORK_MISMATCH",
    `its transactions are not of the network "${given}": ${remedy}`,
  );
}

/** Ledgers with rows that came before the input's network is known: which asset a contract stands for depends on it. */
export class HeldLedgers {
  private ledgers: FileLedger[] = [];
  private bytes = 0;

  constructor(private readonly bytesMax = HELD_BYTES_MAX) {}

  /** @throws CodedError RESOURCE_EXHAUSTED / HELD_BYTES_MAX */
  add(ledger: FileLedger): void {
    this.bytes += ledger.bytes.length;
    if (this.bytes > this.bytesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "HELD_BYTES_MAX",
        `${ledger.path}: the ledgers up to number ${ledger.ledgerIndex} have no transaction that tells their network, and those with rows ${this.bytes} B, over max ${this.bytesMax} B to hold back: name the network with --network-passphrase`,
      );
    }
    this.ledgers.push({ ...ledger, bytes: new Uint8Array(ledger.bytes) });
  }

  /** All of them, in order; they are held no longer. */
  take(): FileLedger[] {
    const { ledgers } = this;
    this.ledgers = [];
    this.bytes = 0;
    return ledgers;
  }

  /** The input has ended. @throws CodedError FAILED_PRECONDITION / NETWORK_UNKNOWN where some are still held */
  end(path: string): void {
    if (this.ledgers.length === 0) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_UNKNOWN",
      `${path}: ${this.ledgers.length} ledgers have rows, and none of the input's has a transaction that tells the network: name it with --network-passphrase`,
    );
  }
}
