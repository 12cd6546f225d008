/** Where a job stands. */
import { rangeName } from "../export/settings.ts";
import type { ExportTarget } from "../export/target.ts";
import { ChunkBoard } from "./chunk-board.ts";
import { type EndState, endOf, type Job } from "./job.ts";
import { type WorkerRecord, workersOf } from "./worker-beat.ts";

/** As `--json` prints it. */
export interface JobStatus {
  job: number;
  ledger_first: number;
  ledger_last: number;
  state: "open" | EndState;
  /** How it has ended; empty while it has not. */
  message: string;
  chunks: number;
  chunks_there: number;
  ledgers: number;
  ledgers_there: number;
  /** Chunks that were begun and are not there. */
  taken: { chunk: string; tries: number; worker: string | undefined }[];
  set_aside: { chunk: string; tries: number; reason: string | undefined; message: string | undefined }[];
  /** What workers have said last; those that have ended are left out. */
  workers: Omit<WorkerRecord, "ended" | "beat">[];
}

/** Looks at a job again and again. */
export class JobWatch {
  private constructor(
    private readonly target: ExportTarget,
    private readonly job: Job,
    private readonly board: ChunkBoard,
  ) {}

  static async open(target: ExportTarget, job: Job): Promise<JobWatch> {
    return new JobWatch(target, job, await ChunkBoard.open(target, job));
  }

  /** @throws CodedError as the storage */
  async look(): Promise<JobStatus> {
    const { board, job } = this;
    const { storage } = this.target;
    const end = await endOf(storage, job); // before the chunks, which it follows from
    await board.refresh();
    const there = board.in("there");
    const taken = board.in("taken").map(async (chunk) => {
      const { last } = board.triesOf(chunk);
      return { chunk: rangeName(chunk), tries: last, worker: await board.log.holder(chunk, last) };
    });
    const aside = board.in("set aside").map(async (chunk) => {
      const tries = board.triesOf(chunk);
      const why = await board.log.reasonOf(chunk, tries);
      return { chunk: rangeName(chunk), tries: tries.last, reason: why?.reason, message: why?.message };
    });
    const workers = end === undefined ? await workersOf(storage, job) : [];
    return {
      ...{ job: job.number, ledger_first: job.range.ledgerFirst, ledger_last: job.range.ledgerLast },
      ...{ state: end?.state ?? "open", message: end?.message ?? "" },
      ...{ chunks: board.chunks.length, chunks_there: there.length },
      ...{ ledgers: ledgersOf(board.chunks), ledgers_there: ledgersOf(there) },
      taken: end === undefined ? await Promise.all(taken) : [],
      set_aside: await Promise.all(aside),
      workers: workers.filter(({ ended }) => !ended).map(({ ended: _, beat: __, ...worker }) => worker),
    };
  }
}

function ledgersOf(chunks: ChunkBoard["chunks"]): number {
  return chunks.reduce((sum, { ledgerFirst, ledgerLast }) => sum + ledgerLast - ledgerFirst + 1, 0);
}
