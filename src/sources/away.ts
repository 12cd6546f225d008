/** Stands for a source that could not be opened yet, so that what is to be read from it has a name. */
import type { CodedError } from "../error.ts";
import type { LedgerObject, LedgerSource } from "./source.ts";

/** Tells no network and no ledger. Each read throws the error for which the source could not be opened. */
export class AwaySource implements LedgerSource {
  readonly seekable = false;

  constructor(
    readonly description: string,
    /** Why it is away. */
    private readonly error: CodedError,
  ) {}

  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  // biome-ignore lint/correctness/useYield: it never has a ledger
  async *read(): AsyncGenerator<LedgerObject> {
    throw this.error;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
