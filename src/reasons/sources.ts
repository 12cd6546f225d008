/** Reasons of errors: sources and ledgers, what is read. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Sources and ledgers". */
export const SOURCES = {
  BASE64: reason("DATA_LOSS", "A line of a ledger file is no base64.", "Look for line wraps or a cut."),
  BUCKET_NOT_FOUND: reason("NOT_FOUND", "There is no such bucket.", "Check its name, region and endpoint."),
  CHAIN_BROKEN: reason(
    "DATA_LOSS",
    "A ledger does not follow the one before, or its header is not what its hash says.",
    "Export the ledgers on both sides anew; `gaps` finds all breaks of a lake. VERIFY_CHAIN=off reads them unchecked.",
  ),
  CREDENTIALS_NOT_FOUND: reason(
    "UNAUTHENTICATED",
    "No credentials are found for a bucket.",
    "Give some as for any tool of AWS or Google, or read a public bucket with ?unsigned=true.",
  ),
  FILE_NOT_FOUND: reason("NOT_FOUND", "The file or folder does not exist.", "Check the path."),
  FILE_UNREADABLE: reason(
    ["PERMISSION_DENIED", "DATA_LOSS", "UNAVAILABLE"],
    "The file cannot be read.",
    "The message says whether rights, the disk or the file itself are the cause.",
  ),
  GZIP_CORRUPT: reason("DATA_LOSS", "The gzip data is damaged.", "Fetch the file again."),
  GZIP_TRUNCATED: reason("DATA_LOSS", "The gzip data ends too early.", "Fetch the file again."),
  HELD_BYTES_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "Too many ledgers with rows came before one that tells the network.",
    "Name the network with --network-passphrase.",
  ),
  INFLATED_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "A compressed file is larger inside than the limit.",
    "If it is sound, raise the limit that the message names.",
  ),
  RPC_ANSWER: reason(
    ["FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAVAILABLE"],
    "An RPC server refuses, or answers with something else than the method's result.",
    "The message has its words; check the address and its key.",
  ),
  GS_ADDRESS: reason("INVALID_ARGUMENT", "A gs:// address is not well-formed.", "Write it as the message says."),
  S3_ADDRESS: reason("INVALID_ARGUMENT", "An s3:// address is not well-formed.", "Write it as the message says."),
  STORE_DENIED: reason("PERMISSION_DENIED", "The object store refuses.", "Check credentials and their rights."),
  STORE_LISTING: reason("RESOURCE_EXHAUSTED", "A listing has too many names.", "Name the lake's own folder."),
  STORE_REFUSED: reason(
    "FAILED_PRECONDITION",
    "The store refuses a request, or answers in a way that cannot be read.",
    "Do what the message says.",
  ),
  STORE_UNAVAILABLE: reason(
    "UNAVAILABLE",
    "The object store does not answer, or breaks off, after several tries.",
    "Look at the store; sessions wait for it.",
  ),
  LAKE_EMPTY: reason("NOT_FOUND", "The lake has no ledger yet.", "Wait for its first file."),
  LAKE_FILE_TOO_LARGE: reason("RESOURCE_EXHAUSTED", "A lake file is over the limit.", "Write fewer ledgers a file."),
  LAKE_LAYOUT: reason(
    ["DATA_LOSS", "INVALID_ARGUMENT"],
    "The names in a lake's folder do not fit one layout.",
    "Keep each layout in a folder of its own, with a manifest that says the same.",
  ),
  LAKE_MANIFEST: reason("DATA_LOSS", "The lake's manifest cannot be used.", "Correct it, or remove it."),
  LAKE_NOT_FOUND: reason(
    "NOT_FOUND",
    "The folder is no lake.",
    "Point SOURCE_ENDPOINT at the folder that holds the manifest or the partitions.",
  ),
  LEDGER_AFTER_SOURCE: reason(
    "OUT_OF_RANGE",
    "The ledgers are beyond the source's newest.",
    "End there, or follow the source with end 0.",
  ),
  LEDGER_BEFORE_SOURCE: reason(
    "OUT_OF_RANGE",
    "The ledgers are before the source's oldest.",
    "Start at the oldest that the message names.",
  ),
  LEDGER_CHANGE_PAIRING: reason(
    "DATA_LOSS",
    "Ledger entry changes do not pair as CAP-62 says.",
    "The ledger is damaged: fetch it again.",
  ),
  LEDGER_FILE_EMPTY: reason("DATA_LOSS", "A ledger file has no ledger.", "Fetch it again."),
  LEDGER_FILE_TOO_LARGE: reason("RESOURCE_EXHAUSTED", "A ledger file is over the limit for one file.", "Split it."),
  LEDGER_FILE_UNKNOWN: reason(
    "DATA_LOSS",
    "A file is none of the containers of ledgers.",
    "See docs/ledger-containers.md.",
  ),
  LEDGER_GAP: reason(
    "DATA_LOSS",
    "A source skipped ledgers.",
    "Repair the source; the session goes on where it stands.",
  ),
  LEDGER_HEADER: reason(
    "DATA_LOSS",
    "A ledger's header cannot be read, or cannot be true.",
    "The ledger is damaged: fetch it again.",
  ),
  LEDGER_MISSING: reason(
    ["NOT_FOUND", "UNAVAILABLE", "DATA_LOSS"],
    "A ledger inside the source's range is not there.",
    "Put its file there; continuous sessions wait for it.",
  ),
  LEDGER_OUT_OF_STEP: reason("DATA_LOSS", "A file or message holds other ledgers than it says.", "Repair the source."),
  LEDGER_SEQUENCE: reason(
    ["INVALID_ARGUMENT", "DATA_LOSS"],
    "A number is no ledger sequence, or a ledger has another than was expected.",
    "Check the number; repair the source.",
  ),
  LEDGER_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "A ledger is larger than LEDGER_BYTES_MAX.",
    "Raise LEDGER_BYTES_MAX.",
  ),
  NETWORK_MISMATCH: reason(
    "FAILED_PRECONDITION",
    "A ledger is of another network.",
    "Set NETWORK_PASSPHRASE to the ledgers' network.",
  ),
  NETWORK_UNKNOWN: reason(
    "FAILED_PRECONDITION",
    "Nothing tells the network of the ledgers.",
    "Set NETWORK_PASSPHRASE or --network-passphrase.",
  ),
  NO_MEMBER_DELIVERS: reason(
    "UNAVAILABLE",
    "No member of a joined source gives the next ledger.",
    "The message has what each one says; continuous sessions wait.",
  ),
  RAW_LEDGER: reason(
    "DATA_LOSS",
    "The source sent a message that is no RawLedger.",
    "Check what listens at SOURCE_ENDPOINT.",
  ),
  REPEAT_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "The ledgers of a repeat: source do not fit memory.",
    "Repeat a smaller lake.",
  ),
  SOURCE_NOT_SEEKABLE: reason(
    "FAILED_PRECONDITION",
    "A live source cannot be read from an earlier ledger.",
    "Read from a lake.",
  ),
  SOURCE_SHORT: reason("DATA_LOSS", "The source ended before the session's last ledger.", "Repair the source."),
  SOURCE_TLS: reason(
    "UNAVAILABLE",
    "The TLS handshake with a source has failed.",
    "The message names what to set; continuous sessions go on once it is mended.",
  ),
  SOURCE_UNAVAILABLE: reason(
    "UNAVAILABLE",
    "The source does not answer.",
    "Start it; continuous sessions wait for it.",
  ),
  SOURCE_UNKNOWN: reason("NOT_FOUND", "No source has that name.", "Add it to SOURCES."),
  WEB_ADDRESS: reason(
    "INVALID_ARGUMENT",
    "The http(s) address of a lake is not well-formed.",
    "Write it as the message says.",
  ),
  XDR_LENGTH: reason(
    "DATA_LOSS",
    "A length in the XDR is over its limit or over the bytes that are left.",
    "The ledger is damaged: fetch it again.",
  ),
  XDR_TOO_DEEP: reason(
    "DATA_LOSS",
    "XDR values are nested deeper than the limit.",
    "The ledger is damaged: fetch it again.",
  ),
  XDR_TRAILING_BYTES: reason("DATA_LOSS", "Bytes are left after the value.", "The ledger is damaged: fetch it again."),
  XDR_TRUNCATED: reason("DATA_LOSS", "The bytes end inside a value.", "The ledger is damaged: fetch it again."),
  XDR_UNKNOWN_ARM: reason(
    "DATA_LOSS",
    "A union has an arm that this version does not know.",
    "Use a version that knows the ledger's protocol.",
  ),
  XDR_VALUE: reason("DATA_LOSS", "A value is not allowed by its type.", "The ledger is damaged: fetch it again."),
  ZSTD_CORRUPT: reason("DATA_LOSS", "The zstd data is damaged.", "Fetch the file again."),
  ZSTD_FRAMES: reason(
    "RESOURCE_EXHAUSTED",
    "The file has more zstd frames than the limit.",
    "Compress it again as one frame.",
  ),
  ZSTD_TRAILING_BYTES: reason("DATA_LOSS", "Bytes follow the zstd data.", "Fetch the file again."),
  ZSTD_TRUNCATED: reason(
    "DATA_LOSS",
    "The zstd data ends too early.",
    "Fetch the file again, or wait until it is written.",
  ),
  ZSTD_WINDOW: reason(
    "RESOURCE_EXHAUSTED",
    "The zstd frame needs a larger window than the limit.",
    "Compress it again without --long or --ultra.",
  ),
  BATCH_HEAD: reason("DATA_LOSS", "The head of a LedgerCloseMetaBatch cannot be true.", "Fetch the file again."),
  RECORD_TRUNCATED: reason(
    "DATA_LOSS",
    "A record-marked stream ends inside a record.",
    "What was whole was given; fetch the rest again.",
  ),
  RECORD_MARK: reason(
    "DATA_LOSS",
    "A record mark of a stream cannot be true.",
    "Check that the file is a record-marked stream.",
  ),
} as const;
