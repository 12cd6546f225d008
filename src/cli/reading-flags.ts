/** Flags that name what a Flight client reads, for the commands that are one. */
import { assets, integer } from "../config/types.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { option, repeated } from "./flags.ts";

/** A range in place of a session. */
export const RANGE_LEDGER_FLAGS = {
  "start-ledger": option({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "Read a range of ledgers in place of a session: its first ledger.",
  }),
  "end-ledger": option({
    placeholder: "N",
    type: integer(0, LEDGER_SEQUENCE_MAX),
    summary: "The range's last ledger, inclusive. Default: 0, go on with new ledgers for ever.",
  }),
};

/** `--known-asset` of a range. */
export const RANGE_ASSET_FLAG = repeated({
  placeholder: "CODE:G…",
  type: assets,
  summary: "An asset whose contract a range knows, beside the server's KNOWN_ASSETS; several with commas.",
});

/** `--partition` of a session. */
export const PARTITION_FLAG = option({
  placeholder: "N",
  type: integer(0, 65_535),
  summary: "Which part, from 0 on, of a session that was started with --partitions; such a session needs it.",
});
