import type { Dataset } from "../vocabulary/dataset.ts";

/** What the data plane tells of a Flight client, for the log. */
export interface ClientEvent {
  event: "joined" | "left" | "endedSlow";
  kind: "session" | "range";
  /** Id of the session or range. */
  id: string;
  peer: string;
  dataset: Dataset;
  partition?: number;
  /** How the call ended, and what the client had; absent while it reads. */
  outcome?: string;
  rows?: number;
  batches?: number;
  bytes?: number;
}
