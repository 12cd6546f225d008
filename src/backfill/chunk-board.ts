/** Where the chunks of a job stand, by listing what is there. */
import { chunksWithin, readRanges } from "../export/ranges.ts";
import { KEYS, rangeName } from "../export/settings.ts";
import { namesIn } from "../export/storage.ts";
import type { ExportTarget } from "../export/target.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { Job } from "./job.ts";
import { type ChunkTries, TryLog } from "./try-log.ts";

/**
 *     free     → taken       a worker has begun a try
 *     taken    → there       its manifest is there, whoever wrote it
 *     taken    → free        the try has failed, was lost or returned
 *     taken    → set aside   the same, for the last time that the job allows
 *     each     → there       an export, or a worker that counted as lost, has written it
 */
type ChunkState = "free" | "taken" | "there" | "set aside";

const NONE: ChunkTries = { last: 0, lastEnd: undefined, failures: 0 };

/** As the place was when it was last looked at. Its methods throw CodedError as the storage. */
export class ChunkBoard {
  private readonly there = new Set<string>();
  private readonly tries = new Map<string, ChunkTries>();
  /** Chunks at the beginning that are settled: they are not looked at again. */
  private settled = 0;

  private constructor(
    private readonly target: ExportTarget,
    private readonly job: Job,
    /** In the order of their ledgers. */
    readonly chunks: readonly LedgerRange[],
    readonly log: TryLog,
  ) {}

  static async open(target: ExportTarget, job: Job): Promise<ChunkBoard> {
    const chunks = chunksWithin(await readRanges(target.storage), target.settings.chunk_ledgers, job.range);
    const board = new ChunkBoard(target, job, chunks, new TryLog(target.storage, job));
    await board.refresh();
    return board;
  }

  /** Looks at the place anew, behind the chunks that are settled. */
  async refresh(): Promise<void> {
    const settled = this.chunks[this.settled - 1];
    const after = settled && `${rangeName(settled)}.json`;
    const [manifests, tries] = await Promise.all([
      namesIn(this.target.storage, KEYS.chunks, { after }),
      this.log.read(settled),
    ]);
    for (const name of manifests) if (name.endsWith(".json")) this.there.add(name.slice(0, -".json".length));
    for (const [chunk, each] of tries) this.tries.set(chunk, each);
    while (this.settled < this.chunks.length && isSettled(this.stateOf(this.chunks[this.settled]!))) this.settled++;
  }

  triesOf(chunk: LedgerRange): ChunkTries {
    return this.tries.get(rangeName(chunk)) ?? NONE;
  }

  stateOf(chunk: LedgerRange): ChunkState {
    if (this.there.has(rangeName(chunk))) return "there";
    const { last, lastEnd, failures } = this.triesOf(chunk);
    if (failures >= this.job.triesMax) return "set aside";
    return last === 0 || lastEnd !== undefined ? "free" : "taken";
  }

  /** The chunks in that state, in the order of their ledgers. */
  in(state: ChunkState): LedgerRange[] {
    return this.chunks.filter((chunk) => this.stateOf(chunk) === state);
  }
}

function isSettled(state: ChunkState): boolean {
  return state === "there" || state === "set aside";
}
