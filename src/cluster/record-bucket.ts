/** Where shared records lie: one value a name, each write of which can be bound to the revision that it replaces. */

/** A record as it lies there. */
export interface BucketEntry {
  /** Rises with every write of the record; never used twice, not even after all was lost. */
  revision: number;
  /** Absent: it was removed. */
  bytes?: Uint8Array;
}

/** A write was refused, for the record has another revision than the one that it was to replace. */
export class RevisionConflict extends Error {}

/** All calls may reject with CodedError UNAVAILABLE / CLUSTER_AWAY, and what they were to do may be done all the same. */
export interface RecordBucket {
  /** Records by name, removed ones too for some time: the one that is named, or all. */
  read(name?: string): Promise<Map<string, BucketEntry>>;
  /**
   * Resolves when it is stored.
   * @param revision what it replaces; 0: there must be none
   * @returns its revision
   * @throws RevisionConflict
   */
  put(name: string, bytes: Uint8Array, revision: number): Promise<number>;
  /** @throws RevisionConflict */
  remove(name: string, revision: number): Promise<void>;
}
