/**
 * The consumer as a library: `consume` reads a session, a partition or a range over Flight and commits its rows to a sink
 * together with the cursor behind them. A sink of your own is one class (`Sink`); docs/sinks.md has an example.
 */

export { CodedError } from "../error.ts";
export { type ConsumeOptions, type ConsumeResult, type ConsumerCommit, consume } from "./consume.ts";
export { type RangeSelection, readerOf, type Selection, type SessionSelection } from "./reader.ts";
export type { Sink, SinkBatch, SinkProgress } from "./sink.ts";
