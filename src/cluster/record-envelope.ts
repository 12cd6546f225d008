/** A record as its owner writes it down: who owns it, and for how long without another word. */
import { Packr } from "msgpackr";

/** A node as its peers know it; `instance` is of one process alone. */
export interface RecordOwner {
  instance: string;
  /** For people. */
  node: string;
  /** Where others reach it. */
  control: string;
  flight: string;
}

/** What lies in the bucket. */
export interface Envelope {
  /** Absent: whoever comes first may have it. */
  owner?: RecordOwner;
  leaseMs: number;
  record: Uint8Array;
  /** Written down again by a node that had seen it, after all was lost: the revision that it had then. */
  restores?: number;
}

const packr = new Packr({ useRecords: false });

/** The bytes of an envelope. */
export function packEnvelope(envelope: Envelope): Uint8Array {
  return packr.pack(envelope);
}

/** What `packEnvelope` has made; undefined for anything else. */
export function openEnvelope(bytes: Uint8Array): Envelope | undefined {
  try {
    const { owner, leaseMs, record, restores } = packr.unpack(bytes) as Partial<Envelope>;
    if (typeof leaseMs !== "number" || !(record instanceof Uint8Array)) return undefined;
    return { owner, leaseMs, record, restores };
  } catch {
    return undefined;
  }
}
