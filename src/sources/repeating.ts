/**
 * A source for load tests: the ledgers of a lake (or of a ledger file) over and over, renumbered, for any range asked.
 *
 * Ledger number n is a copy of template (n - first) mod count, so a lake's own range gives its own ledgers. The header's
 * ledgerSeq is changed (and closeTime where asked), and so are previousLedgerHash and the hash beside the header: the
 * chain of one read holds. It begins with the read's first ledger, so the same number has another hash in another read.
 * Ledger numbers inside entries stay as they are.
 */
import { CodedError } from "../error.ts";
import { type LedgerHeaderInfo, ledgerHeader } from "../ledger/header.ts";
import { sha256Into } from "../xdr/sha256.ts";
import { checkRange } from "./check-range.ts";
import { openLedgerInput } from "./file/ledger-file.ts";
import { LEDGER_SEQUENCE_MAX } from "./limits.ts";
import type { LedgerObject, LedgerSource } from "./source.ts";

interface RepeatingOptions {
  /**
   * True: the objects of one read lie one after the other in the same memory, so that an object's bytes are valid only
   * until the next one is asked for; fresh memory for every ledger costs more than the copy. False (default): every
   * object has bytes of its own.
   */
  reuse?: boolean;
  /** Seconds between the close times of consecutive ledgers, counted from the first template; default: as they are. */
  closeTimeStep?: number;
  /** Default REPEAT_BYTES_MAX. */
  bytesMax?: number;
}

/** Templates are kept inflated: some 250 dense ledgers. Where a lake is larger, the first ledgers that fit are repeated. */
const REPEAT_BYTES_MAX = 512 << 20;

/** Ledgers handed out before other work of the thread gets its turn: nothing here ever waits for I/O. */
const TURN_LEDGERS = 8;

interface Template {
  bytes: Uint8Array;
  view: DataView;
  /** Views on `bytes`. */
  header: LedgerHeaderInfo;
  /** As it was found. */
  previousLedgerHash: Uint8Array;
}

/** Serves any range of ledgers from templates in memory, as fast as it is read. Get one by `open`. */
export class RepeatingSource implements LedgerSource {
  readonly description: string;
  readonly seekable = true;
  readonly #path: string;
  readonly #passphrase: string | undefined;
  readonly #options: RepeatingOptions;
  readonly #templates: Template[];
  /** Number and close time of the first template. */
  readonly #first: number;
  readonly #closeTimeFirst: bigint;
  #closed = false;

  private constructor(
    path: string,
    passphrase: string | undefined,
    templates: Template[],
    more: boolean,
    options: RepeatingOptions,
  ) {
    const { view, header } = templates[0]!;
    this.#path = path;
    this.#passphrase = passphrase;
    this.#options = options;
    this.#templates = templates;
    this.#first = header.sequence;
    this.#closeTimeFirst = view.getBigUint64(header.offsets.closeTime);
    this.description = `${more ? "the first " : ""}${templates.length} ledgers of ${path}, repeated`;
  }

  /**
   * Loads the ledgers of `path`, whatever openLedgerInput reads.
   * @throws CodedError as openLedgerInput does; RESOURCE_EXHAUSTED / REPEAT_TOO_LARGE where not even one ledger fits
   */
  static async open(path: string, options: RepeatingOptions = {}): Promise<RepeatingSource> {
    const { bytesMax = REPEAT_BYTES_MAX } = options;
    const input = await openLedgerInput(path);
    const templates: Template[] = [];
    let bytesLeft = bytesMax;
    let more = false;
    for await (const ledger of input.ledgers) {
      if (ledger.bytes.length > bytesLeft) {
        more = true;
        break;
      }
      bytesLeft -= ledger.bytes.length;
      const bytes = new Uint8Array(ledger.bytes);
      const header = ledgerHeader(bytes);
      const previousLedgerHash = new Uint8Array(header.previousLedgerHash);
      templates.push({ bytes, view: new DataView(bytes.buffer), header, previousLedgerHash });
    }
    if (templates.length === 0) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "REPEAT_TOO_LARGE",
        `${path}: its first ledger alone is over max ${bytesMax} B for ledgers to repeat`,
      );
    }
    return new RepeatingSource(path, input.networkPassphrase, templates, more, options);
  }

  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(this.#passphrase);
  }

  /** It has no newest ledger: any number can be read. */
  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  /** One object a ledger, inflated. `end` 0 ends at the last sequence number there can be. */
  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject, void, undefined> {
    checkRange(start, end);
    const last = end === 0 ? LEDGER_SEQUENCE_MAX : end;
    const memory =
      this.#options.reuse === true
        ? new Uint8Array(this.#templates.reduce((max, { bytes }) => Math.max(max, bytes.length), 0))
        : undefined;
    let before: Uint8Array | undefined;
    for (let ledger = start; ledger <= last; ledger++) {
      if ((ledger - start) % TURN_LEDGERS === TURN_LEDGERS - 1) await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted || this.#closed) return;
      const { bytes, hash } = this.#renumbered(ledger, before, memory);
      before = hash;
      yield {
        name: `${this.#path}, repeated as ledger ${ledger}`,
        ledgerFirst: ledger,
        ledgerLast: ledger,
        encoding: "none",
        container: "ledger",
        bytes,
      };
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /** A copy: the templates are shared by all reads. @param before hash of the ledger before in this read */
  #renumbered(
    ledger: number,
    before: Uint8Array | undefined,
    memory: Uint8Array | undefined,
  ): { bytes: Uint8Array; hash: Uint8Array } {
    const count = this.#templates.length;
    const steps = ledger - this.#first;
    const template = this.#templates[((steps % count) + count) % count]!;
    const { view, header } = template;
    view.setUint32(header.offsets.sequence, ledger);
    if (this.#options.closeTimeStep !== undefined) {
      const closeTime = this.#closeTimeFirst + BigInt(Math.round(steps * this.#options.closeTimeStep));
      view.setBigUint64(header.offsets.closeTime, closeTime < 0n ? 0n : closeTime);
    }
    header.previousLedgerHash.set(before ?? template.previousLedgerHash);
    sha256Into(header.header, header.hash);
    const hash = new Uint8Array(header.hash);
    if (memory === undefined) return { bytes: new Uint8Array(template.bytes), hash };
    memory.set(template.bytes);
    return { bytes: memory.subarray(0, template.bytes.length), hash };
  }
}
