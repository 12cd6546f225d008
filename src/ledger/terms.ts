/**
 * The names and numbers of Stellar's XDR that the rules need (Stellar-contract.x, Stellar-ledger-entries.x,
 * Stellar-ledger.x). Strings are the Go enum spellings, which the Arrow columns carry.
 */

/** The last sequence number there can be: ledgerSeq is an XDR uint32. */
export const LEDGER_SEQUENCE_MAX = 0xffff_ffff;

/** LedgerEntryType. */
export const LEDGER_ENTRY_CONTRACT_DATA = 6;
export const LEDGER_ENTRY_TTL = 9;

/** LedgerEntryChangeType; 0 is created. */
export const CHANGE_UPDATED = 1;
export const CHANGE_REMOVED = 2;
export const CHANGE_STATE = 3;
export const CHANGE_RESTORED = 4;
/** Not of that enum: the entry's key is among the ledger's evicted keys (schema version 2). */
export const CHANGE_EVICTED = 5;

/** Change types that rows have, by number; `state` (3) never makes a row. */
export const CHANGE_TYPE_NAMES = ["created", "updated", "removed", "state", "restored", "evicted"] as const;
/** The words of the dataset `ttl`, by the same numbers. */
export const TTL_CHANGE_NAMES = ["created", "extended", "removed", "state", "restored", "evicted"] as const;

/** SCAddressType. */
export const ADDRESS_ACCOUNT = 0;
export const ADDRESS_CONTRACT = 1;
export const ADDRESS_MUXED = 2;
export const ADDRESS_CLAIMABLE_BALANCE = 3;
export const ADDRESS_LIQUIDITY_POOL = 4;

/** ScValType. */
export const SCV_I128 = 10;
export const SCV_BYTES = 13;
export const SCV_STRING = 14;
export const SCV_SYMBOL = 15;
export const SCV_VEC = 16;
export const SCV_MAP = 17;
export const SCV_ADDRESS = 18;
export const SCV_CONTRACT_INSTANCE = 19;
export const SCV_LEDGER_KEY_CONTRACT_INSTANCE = 20;
export const SCV_LEDGER_KEY_NONCE = 21;

/** ScVal types by number, as Go spells them. */
export const SCVAL_TYPE_NAMES: readonly string[] = [
  "Bool",
  "Void",
  "Error",
  "U32",
  "I32",
  "U64",
  "I64",
  "Timepoint",
  "Duration",
  "U128",
  "I128",
  "U256",
  "I256",
  "Bytes",
  "String",
  "Symbol",
  "Vec",
  "Map",
  "Address",
  "ContractInstance",
  "LedgerKeyContractInstance",
  "LedgerKeyNonce",
  "ExecutableTag",
].map((name) => `ScValTypeScv${name}`);

/** ContractDataDurability, by number and as Go spells it. */
export const DURABILITY_TEMPORARY = 0;
export const DURABILITY_PERSISTENT = 1;
/** The durability of a row whose ledger does not tell. */
export const DURABILITY_UNKNOWN = 2;
export const DURABILITY_NAMES = ["ContractDataDurabilityTemporary", "ContractDataDurabilityPersistent"] as const;

/** Asset facts of a row; 0 is none. */
export const ASSET_NONE = 0;
export const ASSET_NATIVE = 1;
export const ASSET_ALPHANUM4 = 2;
export const ASSET_ALPHANUM12 = 3;
export const ASSET_TYPE_NAMES = [
  "",
  "AssetTypeAssetTypeNative",
  "AssetTypeAssetTypeCreditAlphanum4",
  "AssetTypeAssetTypeCreditAlphanum12",
] as const;

/** Instance facts of a row; 0 is none, 1 wasm, 3 an external reference. */
export const INSTANCE_NONE = 0;
export const INSTANCE_STELLAR_ASSET = 2;
/** `external_ref` is newer than the Go service, which knows only the first two. */
export const INSTANCE_TYPE_NAMES = ["", "wasm", "stellar_asset", "external_ref"] as const;

/** Whose shape a balance has, by number; 0 is none, or not known. */
export const BALANCE_KIND_NONE = 0;
export const BALANCE_KIND_ASSET_CONTRACT = 1;
export const BALANCE_KIND_TOKEN = 2;
export const BALANCE_KIND_NAMES = ["", "asset_contract", "token"] as const;

/** Why an entry changed, by the number of the change list it stood in (generated/skip.ts, LIST_…). */
export const REASON_NAMES = ["fee", "transaction", "operation", "fee_refund", "upgrade", "eviction"] as const;
