/** Reasons of errors: exports of Parquet files. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Exports". */
export const EXPORTS = {
  EXPORT_CHANGED: reason(
    "DATA_LOSS",
    "A file of an export is not what it was written as.",
    "Remove what the message names, and export it again; export verify names every such file.",
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
