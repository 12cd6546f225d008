/** Where the bytes of a meta stream come from: what all kinds have in common. */

/** A pipe or a server, over all writers that come and go. */
export interface MetaFeed {
  /** For people: a path, or host:port. */
  readonly name: string;
  /**
   * Begins to read what is written now.
   * @throws CodedError NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE for what may come yet; DATA_LOSS for what is no stream
   */
  attach(signal: AbortSignal): Promise<MetaBytes>;
  /** Lets go of everything. */
  close(): void;
}

/** The bytes of one writer, as they come. */
export interface MetaBytes {
  /**
   * Waits until there are some. Not calling it holds the writer back.
   * @returns one byte at least; undefined: the writer has gone, or the signal of `attach` has aborted
   * @throws CodedError UNAVAILABLE, DATA_LOSS
   */
  next(): Promise<Uint8Array | undefined>;
  close(): void;
}
