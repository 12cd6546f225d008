/** The settings that decide about rows and batches: processing and filters. */
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { DAY_MS } from "./duration.ts";
import { setting } from "./setting.ts";
import { assets, balance, boolean, duration, integer, list, oneOf } from "./types.ts";

const BATCH_ROWS_MAX = 1_000_000; // a row is some 500 bytes: more would not fit the rings of any sensible memory limit
const WORKERS_MAX = 256; // threads beyond the largest machines' cores only cost memory
const CHANNEL_BATCHES_MAX = 65_536; // a slot is about 1 MiB: 64 GiB retained
const FILTER_ITEMS_MAX = 10_000; // an environment variable holds at most 128 KiB on Linux, a file more

/** See schema.ts. */
export const ROW_SETTINGS = {
  batchRows: setting({
    env: "BATCH_SIZE",
    group: "Processing",
    type: integer(0, BATCH_ROWS_MAX),
    default: "0",
    defaultNote: "about 1 MiB, at least 1000 rows",
    unit: "rows",
    description: "Rows in a batch at most; 0 lets batches be about 1 MiB. A session may ask for its own.",
    example: "1000",
  }),
  flushIntervalMs: setting({
    env: "FLUSH_INTERVAL",
    group: "Processing",
    type: duration(1, DAY_MS),
    default: "5s",
    description: "A batch that is not full is sent when its oldest row has waited this long.",
    example: "500ms",
  }),
  workerCount: setting({
    env: "WORKER_COUNT",
    group: "Processing",
    type: integer(1, WORKERS_MAX),
    default: "4",
    unit: "threads",
    description: "Threads that decode ledgers.",
    example: "8",
  }),
  channelBatches: setting({
    env: "CHANNEL_BUFFER_SIZE",
    group: "Processing",
    type: integer(1, CHANNEL_BATCHES_MAX),
    default: "100",
    unit: "batches",
    description:
      "Finished batches that a session keeps for its slowest client, and for clients that come back, before its source has to wait; fewer where many sessions share MAX_MEMORY_MB.",
    example: "32",
  }),
  dictionaries: setting({
    env: "DICTIONARIES",
    group: "Processing",
    type: boolean,
    default: "true",
    description:
      "Whether schema version 2 has its columns of few words (`change_type`, …) in dictionaries, where a session or ticket does not say; false sends them as text, for readers that have no dictionaries. Sessions that are there keep what they were started with.",
    example: "false",
  }),
  compat: setting({
    env: "COMPAT",
    group: "Processing",
    type: oneOf(["default", "go"]),
    default: "default",
    description:
      "Which rules decide about rows: `go` gives exactly the rows of the Go implementation, `default` also those that it misses.",
    example: "go",
  }),
  onError: setting({
    env: "ON_ERROR",
    group: "Processing",
    type: oneOf(["strict", "skip"]),
    default: "strict",
    description:
      "What a ledger that cannot be decoded does: `strict` ends its session with the ledger, the byte offset and the XDR path; `skip` leaves the ledger out, and counts it in status, metrics, the log and the app_metadata of the next batch. A lake's newest file is not left out: it may still be being written.",
    example: "skip",
  }),
  verifyChain: setting({
    env: "VERIFY_CHAIN",
    group: "Processing",
    type: oneOf(["on", "off"]),
    default: "on",
    description:
      "Whether each ledger has to follow the one before: `on` computes each header's hash anew and compares it with what the ledger says and with what the next header names, and ends the stream where they differ (CHAIN_BROKEN), whatever ON_ERROR says; `off` reads ledgers as they come.",
    example: "off",
  }),
  knownAssets: setting({
    env: "KNOWN_ASSETS",
    group: "Processing",
    type: assets,
    default: "",
    defaultNote: "native alone",
    description:
      "Assets whose contracts are known from the first ledger on; sessions learn others from the ledgers that create the contracts, and what they learn counts from 256 ledgers later on. It decides about `asset_code` and `asset_issuer` of balances in schema version 2, and which balances an asset filter selects. A session keeps the list that it began with, a range has that of the moment.",
    example: "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN",
  }),
  filterContractIds: setting({
    env: "FILTER_CONTRACT_IDS",
    group: "Filters",
    type: list(/^C[A-Z2-7]{55}$/, "contract ids (C and 55 more characters)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of these contracts.",
    example: "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA",
  }),
  filterAssetCodes: setting({
    env: "FILTER_ASSET_CODES",
    group: "Filters",
    type: list(/^[A-Za-z0-9]{1,12}$/, "asset codes (1 to 12 letters and digits)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of assets with these codes.",
    example: "USDC,EURC",
  }),
  filterAssetIssuers: setting({
    env: "FILTER_ASSET_ISSUERS",
    group: "Filters",
    type: list(/^G[A-Z2-7]{55}$/, "accounts (G and 55 more characters)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of assets of these issuers.",
    example: "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN",
  }),
  filterBalanceHolders: setting({
    env: "FILTER_BALANCE_HOLDERS",
    group: "Filters",
    type: list(/^[GCMBL][A-Z2-7]{55,68}$/, "holders (strkeys with G, C, M, B or L)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description:
      "Only balances of these holders; schema version 1 has only those of contracts (C…), version 2 those of accounts, muxed accounts, claimable balances and liquidity pools too.",
    example: "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA",
  }),
  filterMinBalance: setting({
    env: "FILTER_MIN_BALANCE",
    group: "Filters",
    type: balance,
    default: "",
    defaultNote: "any, and rows that are no balances",
    description: "Only balances of at least this, in the token's smallest unit: up to 2^127 - 1.",
    example: "10000000",
  }),
  filterBalances: setting({
    env: "FILTER_BALANCES",
    group: "Filters",
    type: boolean,
    default: "false",
    description:
      "Whether only rows that are balances are sent: of asset contracts, and in schema version 2 of other tokens too (docs/columns.md).",
    example: "true",
  }),
  filterKeyTypes: setting({
    env: "FILTER_KEY_TYPES",
    group: "Filters",
    type: list(/^[A-Za-z0-9]{1,64}$/, "ScVal types (Vec or ScValTypeScvVec)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows whose key is of one of these ScVal types.",
    example: "Vec,LedgerKeyContractInstance",
  }),
  filterDurability: setting({
    env: "FILTER_DURABILITY",
    group: "Filters",
    type: oneOf(["both", "temporary", "persistent"]),
    default: "both",
    description: "Only temporary or only persistent entries.",
    example: "persistent",
  }),
  filterChangeTypes: setting({
    env: "FILTER_CHANGE_TYPES",
    group: "Filters",
    type: list(
      /^(created|updated|removed|restored|evicted)$/,
      "changes (created, updated, removed, restored, evicted)",
      FILTER_ITEMS_MAX,
    ),
    default: "",
    defaultNote: "all",
    description: "Only rows of these changes; removed and evicted ones need INCLUDE_DELETED too.",
    example: "created,restored",
  }),
  filterModifiedAfterLedger: setting({
    env: "FILTER_MODIFIED_AFTER_LEDGER",
    group: "Filters",
    type: integer(0, LEDGER_SEQUENCE_MAX),
    default: "0",
    defaultNote: "any",
    unit: "ledger",
    description:
      "Only rows whose last_modified_ledger is greater: of a removed entry, that of its state before; evicted entries have none and are left out.",
    example: "58752000",
  }),
  includeDeleted: setting({
    env: "INCLUDE_DELETED",
    group: "Filters",
    type: boolean,
    default: "false",
    description: "Whether rows of removed entries are sent too, and in schema version 2 those of evicted ones.",
    example: "true",
  }),
} as const;
