/**
 * Looks a lake through for what no reader should meet: holes, damaged objects, ledgers in another's place, and a chain that
 * does not hold (src/ledger/chain.ts).
 */
import { CodedError } from "../../error.ts";
import { breakBetween, type ChainLink, chainLink } from "../../ledger/chain.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { Inflater } from "../file/inflate.ts";
import { BATCH_BYTES_MAX } from "../limits.ts";
import type { Lake } from "./lake.ts";
import { ledgersOfLakeFile } from "./lake-file.ts";
import { batchesOf, parseLakeKey } from "./lake-layout.ts";
import { canList } from "./lake-storage.ts";
import { AheadBudget, AheadBySize, type LoadContext, READ_AHEAD_BYTES, readAhead } from "./read-ahead.ts";

/** What is wrong with some ledgers of a lake. */
interface LakeFinding extends LedgerRange {
  kind: "missing" | "damaged" | "wrong ledger" | "wrong hash" | "broken chain" | "out of place";
  /** The object that it is about. */
  object: string;
  /** A sentence, or what an error says. */
  detail: string;
}

/** Told after each object. */
type AuditListener = (ledgersDone: number) => void;

/**
 * What is wrong with the ledgers `ledgerFirst` to `ledgerLast`, in their order; holes side by side are one finding.
 * @throws CodedError UNAVAILABLE, PERMISSION_DENIED where the lake does not answer
 */
export async function* auditLake(
  lake: Lake,
  { ledgerFirst, ledgerLast }: LedgerRange,
  onProgress: AuditListener = () => {},
): AsyncGenerator<LakeFinding, void, undefined> {
  const inflater = new Inflater(BATCH_BYTES_MAX);
  const limits = new AheadBySize(lake.follower.storage.readAheadFiles, new AheadBudget(READ_AHEAD_BYTES));
  let hole: LakeFinding | undefined;
  let before: ChainLink | undefined;
  let partition: string | undefined;
  try {
    const batches = batchesOf(lake.layout, ledgerFirst, ledgerLast);
    const loaded = readAhead(batches, (named, context: LoadContext) => load(lake, named, context), limits);
    for await (const { named, object, bytes } of loaded) {
      const folder = lake.follower.keys(named.ledgerFirst)[0].split("/").slice(0, -1).join("/");
      if (folder !== partition) yield* strangers(lake, folder, named);
      partition = folder;
      const wanted = {
        ledgerFirst: Math.max(named.ledgerFirst, ledgerFirst),
        ledgerLast: Math.min(named.ledgerLast, ledgerLast),
      };
      if (bytes === undefined) {
        if (hole === undefined) hole = { kind: "missing", ...wanted, object, detail: `${object} is not there` };
        else hole.ledgerLast = wanted.ledgerLast;
      } else {
        if (hole !== undefined) yield hole;
        hole = undefined;
        limits.bytesLast = bytes.length;
        const { findings, last } = auditFile(object, bytes, named, wanted, inflater, before);
        yield* findings;
        before = last;
      }
      onProgress(wanted.ledgerLast - ledgerFirst + 1);
    }
    if (hole !== undefined) yield hole;
  } finally {
    inflater.close();
  }
}

async function load(
  { follower }: Lake,
  named: LedgerRange,
  context: LoadContext,
): Promise<{ named: LedgerRange; object: string; bytes?: Uint8Array }> {
  const found = await follower.get(named.ledgerFirst, context.signal);
  if (found === undefined) return { named, object: follower.keys(named.ledgerFirst)[0] };
  const { key, stored } = found;
  try {
    await context.admit(stored.size);
    return { named, object: key, bytes: await stored.bytes() };
  } finally {
    await stored.close();
  }
}

/** Objects of a partition folder whose names are of another partition, another layout or none; only a listing shows them. */
async function* strangers(lake: Lake, folder: string, { ledgerFirst, ledgerLast }: LedgerRange) {
  const { storage } = lake.follower;
  if (!canList(storage)) return;
  for (const name of await storage.list(folder)) {
    const key = folder === "" ? name : `${folder}/${name}`;
    const found = parseLakeKey(key);
    if (found === undefined ? folder === "" : lake.follower.keys(found.ledgerFirst).includes(key)) continue;
    const detail = "its name is not of this lake's layout, or stands in another partition's folder: nobody reads it";
    yield { kind: "out of place", ledgerFirst, ledgerLast, ...found, object: key, detail } satisfies LakeFinding;
  }
}

function auditFile(
  object: string,
  stored: Uint8Array,
  named: LedgerRange,
  wanted: LedgerRange,
  inflater: Inflater,
  before: ChainLink | undefined,
): { findings: LakeFinding[]; last: ChainLink | undefined } {
  const findings: LakeFinding[] = [];
  let last = before;
  const tell = (kind: LakeFinding["kind"], ledgerFirst: number, ledgerLast: number, detail: string) =>
    findings.push({ kind, ledgerFirst, ledgerLast, object, detail });
  let next = wanted.ledgerFirst;
  try {
    const xdr = inflater.inflate(object, stored, "zstd");
    const onMissing = (error: CodedError, first: number, end: number) =>
      void tell("missing", first, end, error.message);
    for (const { sequence, bytes } of ledgersOfLakeFile({ name: object, named, wanted }, xdr, onMissing)) {
      const { fault, ...link } = chainLink(bytes, object);
      if (fault !== undefined) tell("wrong hash", sequence, sequence, fault);
      const broken = breakBetween(last, link);
      if (broken !== undefined) tell("broken chain", sequence, sequence, broken);
      last = link;
      next = sequence + 1;
    }
  } catch (thrown) {
    const { reason, message } = CodedError.from(thrown);
    const kind = reason === "LEDGER_OUT_OF_STEP" ? "wrong ledger" : "damaged";
    tell(kind, Math.min(next, wanted.ledgerLast), wanted.ledgerLast, message);
    last = undefined;
  }
  return { findings, last };
}
