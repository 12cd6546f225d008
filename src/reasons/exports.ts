/** Reasons of errors: exports of Parquet files. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Exports". */
export const EXPORTS = {
  BACKFILL_ENDED: reason(
    "FAILED_PRECONDITION",
    "The job has ended without being complete.",
    "backfill status says why; backfill start --again begins a new one for the chunks that are not there.",
  ),
  BACKFILL_OPEN: reason(
    "FAILED_PRECONDITION",
    "A job of other ledgers is under way at the place.",
    "Wait for its end, or cancel it.",
  ),
  BACKFILL_UNKNOWN: reason(
    "INVALID_ARGUMENT",
    "There is no job at the place.",
    "Begin one with backfill start, or name another place.",
  ),
  BACKFILL_WORKER_LOST: reason(
    "UNAVAILABLE",
    "A worker has not renewed its lease.",
    "Nothing, where other workers go on: they do its chunk again. Look for what has ended it.",
  ),
  BACKFILL_WORKER_STOPPED: reason(
    "UNAVAILABLE",
    "A worker was asked to end before its chunk was done.",
    "Nothing: another worker does the chunk.",
  ),
  EXPORT_CHANGED: reason(
    "DATA_LOSS",
    "A file of an export is not what it was written as.",
    "Remove what the message names, and export it again; export verify names every such file.",
  ),
  EXPORT_INCOMPLETE: reason(
    "FAILED_PRECONDITION",
    "A part of the export is not there, or its place in the chain of ledgers is not known.",
    "The message names it: export it, from a source.",
  ),
  EXPORT_OTHER: reason(
    "INVALID_ARGUMENT",
    "The place holds another export, or other files.",
    "Name a place of its own for each export; nothing was changed.",
  ),
  EXPORT_PLACE: reason(
    "INVALID_ARGUMENT",
    "The place cannot hold an export, or has no room left.",
    "The message says what is wrong with it; files that were committed stay, and the same command goes on behind them.",
  ),
  EXPORT_UNKNOWN: reason(
    "INVALID_ARGUMENT",
    "There is no export at the place.",
    "Name the folder or the prefix that export parquet was given.",
  ),
} as const;
