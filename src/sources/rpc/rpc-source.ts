/**
 * Ledgers from an RPC server's getLedgers: history as far as the server keeps it, then the tip. A page is asked for by the
 * number of its first ledger, so that nothing but that number has to be remembered; the next one is on its way while a page
 * is read.
 */
import { DroppedMemory } from "../../base/dropped-memory.ts";
import { freeBytes } from "../../base/free-bytes.ts";
import { pause } from "../../base/pause.ts";
import { unlessAborted } from "../../base/unless-aborted.ts";
import { CodedError } from "../../error.ts";
import { checkRange } from "../check-range.ts";
import { headerSequence } from "../file/header-offsets.ts";
import { LookPace } from "../lake/look-pace.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import type { PeerAccess } from "../source-access.ts";
import type { StoreRequestOptions } from "../store-request.ts";
import { RpcClient, RpcError } from "./rpc-client.ts";

/** Ledgers a page; servers allow 200, unless they are told otherwise. */
const PAGE_LEDGERS_MAX = 100;
/** Bytes of a page's base64, by the size of the last ledger: parsing them holds the main thread for some 10 ms. */
const PAGE_BYTES = 4 << 20;
/** Between looks for the next ledger when it is due: a request each, which providers count. */
const LOOK_MS_MIN = 500;

/** How the server is connected to, and what may be set otherwise, mostly by tests. */
interface RpcSourceOptions extends StoreRequestOptions, PeerAccess {
  lookMsMin?: number;
}

interface Page {
  ledgers: LedgerObject[];
  /** The newest ledger that the server has. */
  latest: number;
}

/** Reads any ledger that the server has. */
export class RpcSource implements LedgerSource {
  readonly description: string;
  readonly seekable = true;
  private readonly client: RpcClient;
  private readonly closing = new AbortController();
  /** Length of the last ledger in base64; 0 before the first. */
  private textBytesLast = 0;
  /** The last page of a large ledger that was asked for, by whichever reader; settled once it has come. */
  private largePage: Promise<unknown> = Promise.resolve();
  private readonly dropped = new DroppedMemory();

  /** @param url `https://…` or `http://…`; nothing is asked before something is read */
  constructor(
    url: string,
    private readonly options: RpcSourceOptions = {},
  ) {
    this.description = `RPC server ${new URL(url).host}`;
    this.client = new RpcClient(url, this.description, options);
  }

  async networkPassphrase(): Promise<string | undefined> {
    const { passphrase } = (await this.client.call("getNetwork")) as { passphrase?: unknown };
    return typeof passphrase === "string" ? passphrase : undefined;
  }

  ledgerLatest(): Promise<number | undefined> {
    return this.latest();
  }

  /**
   * One object a ledger, inflated. With `end` 0 it waits for what follows the newest.
   * @throws CodedError OUT_OF_RANGE / LEDGER_BEFORE_SOURCE, LEDGER_AFTER_SOURCE with the ledgers that the server has;
   * NOT_FOUND / LEDGER_MISSING; DATA_LOSS / LEDGER_OUT_OF_STEP, BASE64; RESOURCE_EXHAUSTED / LEDGER_TOO_LARGE; as RpcClient
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const stop = AbortSignal.any([signal, this.closing.signal]);
    try {
      yield* this.ledgers(start, end, stop, onTrouble);
    } catch (thrown) {
      if (!stop.aborted) throw thrown;
    }
  }

  private async *ledgers(
    start: number,
    end: number,
    stop: AbortSignal,
    onTrouble: TroubleListener,
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const last = checkRange(start, end);
    const pace = new LookPace(this.options.lookMsMin ?? LOOK_MS_MIN);
    let coming: Promise<Page | undefined> | undefined;
    for (let next = start; next <= last && !stop.aborted; ) {
      const page = await (coming ?? this.pageInTurn(next, last, stop));
      coming = undefined;
      if (stop.aborted) return;
      if (page === undefined) {
        if (end !== 0) throw await this.after(end, stop);
        onTrouble(undefined, 0);
        await pause(pace.pauseMs(), stop);
        continue;
      }
      const following = next + page.ledgers.length;
      if (following <= Math.min(last, page.latest) && this.textBytesLast <= PAGE_BYTES) {
        coming = this.page(following, last, stop);
        coming.catch(() => {}); // thrown when its turn comes
      }
      for (const ledger of page.ledgers) {
        yield ledger;
        if (stop.aborted) return;
        next = ledger.ledgerLast + 1;
        pace.came();
      }
    }
  }

  close(): Promise<void> {
    this.closing.abort();
    this.client.close();
    return Promise.resolve();
  }

  private async latest(signal?: AbortSignal): Promise<number | undefined> {
    const { sequence } = (await this.client.call("getLatestLedger", {}, signal)) as { sequence?: unknown };
    return typeof sequence === "number" ? sequence : undefined;
  }

  /** As `page`. A ledger that is larger than a page is for others stands in memory several times on its way: one at a time. */
  private async pageInTurn(first: number, last: number, stop: AbortSignal): Promise<Page | undefined> {
    if (this.textBytesLast <= PAGE_BYTES) return this.page(first, last, stop);
    const page = unlessAborted(this.largePage, stop).then(() => this.page(first, last, stop));
    this.largePage = Promise.allSettled([this.largePage, page]);
    return page;
  }

  /** Ledgers from `first` on; undefined where the server has not got it yet. */
  private async page(first: number, last: number, stop: AbortSignal): Promise<Page | undefined> {
    const fit = this.textBytesLast === 0 ? 1 : Math.floor(PAGE_BYTES / this.textBytesLast);
    const limit = Math.max(1, Math.min(PAGE_LEDGERS_MAX, fit, last - first + 1));
    let result: { ledgers?: unknown; latestLedger?: unknown };
    try {
      const params = { startLedger: first, pagination: { limit } };
      result = (await this.client.call("getLedgers", params, stop)) as typeof result;
    } catch (thrown) {
      if (!(thrown instanceof RpcError) || thrown.range === undefined) throw thrown;
      if (first > thrown.range.latest) return undefined;
      const holds = `${this.description} has ledgers ${thrown.range.oldest} to ${thrown.range.latest}`;
      throw new CodedError("OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE", `ledger ${first} was asked for, and the ${holds}`);
    }
    const { ledgers, latestLedger } = result ?? {};
    if (!Array.isArray(ledgers) || typeof latestLedger !== "number") {
      const message = `${this.description}: getLedgers answers without ledgers or latestLedger`;
      throw new CodedError("UNAVAILABLE", "RPC_ANSWER", message);
    }
    if (ledgers.length === 0) {
      if (first > latestLedger) return undefined;
      const message = `${this.description}: ledger ${first} is missing, though ${latestLedger} is there`;
      throw new CodedError("NOT_FOUND", "LEDGER_MISSING", message);
    }
    return {
      ledgers: ledgers.slice(0, limit).map((ledger, index) => this.ledger(ledger, first + index)),
      latest: latestLedger,
    };
  }

  private ledger(answer: { metadataXdr?: unknown } | null, sequence: number): LedgerObject {
    const name = `${this.description}, ledger ${sequence}`;
    const text = answer?.metadataXdr;
    if (typeof text !== "string") {
      throw new CodedError("UNAVAILABLE", "RPC_ANSWER", `${name}: the answer has no metadataXdr`);
    }
    this.textBytesLast = text.length;
    this.dropped.add(2 * text.length); // it, and the answer that it is part of
    let bytes: Uint8Array;
    try {
      bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    } catch {
      throw new CodedError("DATA_LOSS", "BASE64", `${name}: its metadataXdr is no base64`);
    }
    if (bytes.length > LEDGER_BYTES_MAX) {
      const message = `${name}: ${bytes.length} B, over max ${LEDGER_BYTES_MAX} B`;
      throw new CodedError("RESOURCE_EXHAUSTED", "LEDGER_TOO_LARGE", message);
    }
    const found = headerSequence(name, bytes);
    if (found !== sequence) {
      throw new CodedError("DATA_LOSS", "LEDGER_OUT_OF_STEP", `${name}: its header says ledger ${found}`);
    }
    const release = () => freeBytes(bytes);
    return { name, ledgerFirst: sequence, ledgerLast: sequence, encoding: "none", container: "ledger", bytes, release };
  }

  private async after(end: number, stop: AbortSignal): Promise<CodedError> {
    const latest = await this.latest(stop);
    return new CodedError(
      "OUT_OF_RANGE",
      "LEDGER_AFTER_SOURCE",
      `ledgers up to ${end} were asked for, and the newest of the ${this.description} is ${latest}: end there, or follow the tip with end 0`,
    );
  }
}
