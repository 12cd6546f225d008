/**
 * A JetStream bucket at the end of a bad line: requests and answers are late, lost or repeated, and what is sent while
 * the line is cut may come when it is mended, as NATS' client does it. Revisions never come again, also after a wipe.
 */
import { type BucketEntry, type RecordBucket, RevisionConflict } from "../../../src/cluster/record-bucket.ts";
import type { VirtualTime } from "./virtual-time.ts";

export class SimulatedBucket {
  private readonly entries = new Map<string, BucketEntry>();
  private revision = 1000;
  /** A bug to put in: writes are not bound to a revision. */
  isFenced = true;

  /** @param wrote told of each write that is stored, at once */
  constructor(private readonly wrote: (name: string, bytes: Uint8Array | undefined) => void) {}

  read(name?: string): Map<string, BucketEntry> {
    return new Map([...this.entries].filter(([each]) => name === undefined || each === name));
  }

  write(name: string, bytes: Uint8Array | undefined, revision: number): number {
    const found = this.entries.get(name)?.revision ?? 0;
    if (found !== revision && this.isFenced) throw new RevisionConflict(`${found}, not ${revision}`);
    this.revision += 1;
    this.entries.set(name, { revision: this.revision, bytes });
    this.wrote(name, bytes);
    return this.revision;
  }

  /** All is lost, and the bucket is made anew. */
  wipe(): void {
    this.entries.clear();
    this.revision += 1000;
  }
}

/** How bad a line is. */
export interface LineFaults {
  delayMsMax: number;
  /** Chances, a message. */
  lost: number;
  repeated: number;
}

/** One node's way to the bucket. */
export class Line implements RecordBucket {
  isCut = false;
  private held: (() => void)[] = [];

  constructor(
    private readonly bucket: SimulatedBucket,
    private readonly time: VirtualTime,
    private readonly random: () => number,
    private readonly faults: LineFaults,
    /** Runs on the node once it is there to take an answer. */
    private readonly onNode: (run: () => void) => void,
  ) {}

  /** What was sent meanwhile comes now, or never. */
  mend(): void {
    this.isCut = false;
    for (const send of this.held.splice(0)) if (this.random() < 0.7) send();
  }

  heal(): void {
    Object.assign(this.faults, { delayMsMax: 10, lost: 0, repeated: 0 });
    this.mend();
  }

  read(name?: string): Promise<Map<string, BucketEntry>> {
    return this.ask(() => this.bucket.read(name));
  }

  put(name: string, bytes: Uint8Array, revision: number): Promise<number> {
    return this.ask(() => this.bucket.write(name, bytes, revision));
  }

  async remove(name: string, revision: number): Promise<void> {
    await this.ask(() => this.bucket.write(name, undefined, revision));
  }

  private ask<T>(call: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = () => {
        let settle: () => void;
        try {
          const answer = call();
          settle = () => resolve(answer);
        } catch (thrown) {
          settle = () => reject(thrown);
        }
        this.transmit(() => this.onNode(settle));
      };
      if (this.isCut) this.held.push(() => this.transmit(request));
      else this.transmit(request);
    });
  }

  private transmit(message: () => void): void {
    const { delayMsMax, lost, repeated } = this.faults;
    if (this.random() < lost) return;
    const copies = this.random() < repeated ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = this.random() ** 3 * delayMsMax; // mostly short
      this.time.after(delayMs, () => {
        if (!this.isCut) message();
        else this.held.push(message);
      });
    }
  }
}
