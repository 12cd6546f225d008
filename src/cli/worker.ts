import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { ChunkBoard } from "../backfill/chunk-board.ts";
import { LeaseQueue } from "../backfill/lease-queue.ts";
import { LostWorkers } from "../backfill/lost-workers.ts";
import { NatsQueue } from "../backfill/nats-queue.ts";
import { rowsOfTarget } from "../backfill/target-rows.ts";
import { type WorkListener, work } from "../backfill/work.ts";
import { WorkerBeat } from "../backfill/worker-beat.ts";
import { counted } from "../base/text.ts";
import { integer } from "../config/types.ts";
import type { CodedError } from "../error.ts";
import { rangeName } from "../export/settings.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import { openSource } from "../sources/open.ts";
import { environmentAccess } from "../sources/source-access.ts";
import { backfillSource, JSON_FLAG, PLACE_FLAG, SOURCE_FLAG, withJob } from "./backfill-place.ts";
import { reachCluster } from "./cluster-connection.ts";
import { defineCommand, type Output } from "./command.ts";
import { option } from "./flags.ts";
import { interruptedExitCode } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { UsageError } from "./usage-error.ts";

const INDEX_MAX = 1_000_000;
const EXIT_INCOMPLETE = 1;

const index = integer(0, INDEX_MAX);

export const command = defineCommand({
  usage: "--to PLACE [--source SOURCE] [flags]",
  description: `Does chunks of the newest job of a place, until the job has ended: with exit code 0 where it is complete, and 1 where it is incomplete or was cancelled. One worker keeps one core busy; start as many as there are, on any number of machines. It may be killed at any instant. What is wrong with this worker (its source is of another network, or it may not write there) ends it alone; what is wrong with a chunk counts against the chunk. Where CLUSTER names a NATS, chunks come by a queue of its JetStream.`,
  flags: {
    to: PLACE_FLAG,
    source: SOURCE_FLAG,
    index: option({
      placeholder: "N",
      type: index,
      summary:
        "Number of this worker, from 0: workers with different numbers begin with different chunks. Default: JOB_COMPLETION_INDEX, which Kubernetes sets, else any.",
    }),
    json: JSON_FLAG,
  },
  examples: [
    { command: `${PROGRAM} worker --to rows --source ./sample/lake`, meaning: "a job in a folder" },
    { command: `SOURCE_ENDPOINT=s3://bucket/ledgers ${PROGRAM} worker --to s3://bucket/rows`, meaning: "in a bucket" },
  ],
  run(context) {
    const { flags, env, print, stderr } = context;
    const endpoint = backfillSource(flags.source, env);
    const access = environmentAccess(env);
    const signal = context.interrupt();
    const listener = new Told(stderr);
    return withJob(flags.to, env, async (target, job) => {
      const worker = `${hostname().replaceAll(/[^A-Za-z0-9.-]/g, "-")}-${process.pid}-${randomBytes(4).toString("hex")}`;
      const board = await ChunkBoard.open(target, job);
      const lost = new LostWorkers(target.storage, job);
      const leases = new LeaseQueue(board, lost, worker, flags.index ?? indexOf(env), job.leaseMs);
      const connection = await reachCluster(env, listener.log);
      const queue = connection ? new NatsQueue(connection, job, leases, listener.waiting) : leases;
      const beat = new WorkerBeat(target.storage, job, worker, listener.waiting);
      const reader = rowsOfTarget(
        target,
        () => openSource(endpoint, access),
        (trouble) => {
          if (trouble !== undefined) listener.waiting(trouble);
        },
      );
      try {
        const end = await work({ target, job, board, queue, beat, reader, listener }, signal);
        const { chunks, rows } = listener;
        const own = `this worker wrote ${counted(chunks, "chunk")}, ${counted(rows, "row")}`;
        if (flags.json) print(JSON.stringify({ job: job.number, worker, ...end, chunks, rows }));
        else print(`job ${job.number} is ${end.state}: ${end.message}; ${own}`);
        return end.state === "complete" ? 0 : EXIT_INCOMPLETE;
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
        stderr.write(`${PROGRAM}: interrupted; its chunk is given back, and other workers go on\n`);
        return interruptedExitCode(signal);
      } finally {
        await connection?.close();
      }
    });
  },
});

/** @throws UsageError */
function indexOf({ JOB_COMPLETION_INDEX: given }: Readonly<Record<string, string | undefined>>): number {
  if (!given) return randomBytes(4).readUInt32BE();
  const value = index.parse(given);
  if (value !== undefined) return value;
  throw new UsageError(`JOB_COMPLETION_INDEX is ${JSON.stringify(given)}: ${index.accepts} is accepted`);
}

/** A line of log for each thing that happens. */
class Told implements WorkListener {
  chunks = 0;
  rows = 0;
  readonly log: Logger;
  private last = "";

  constructor(stderr: Output) {
    this.log = createLogger({ level: "info", output: stderr });
  }

  readonly file: WorkListener["file"] = ({ name, rows, bytes, isNew }) =>
    this.log.info(isNew ? "written" : "there already", { file: name, rows, bytes });

  begun(chunk: Parameters<WorkListener["begun"]>[0], number: number): void {
    this.log.info("chunk begun", { chunk: rangeName(chunk), try: number });
  }

  done(chunk: Parameters<WorkListener["done"]>[0], rows: number, isNew: boolean): void {
    this.log.info(isNew ? "chunk done" : "chunk was there", { chunk: rangeName(chunk), rows });
    if (!isNew) return;
    this.chunks += 1;
    this.rows += rows;
  }

  failed(chunk: Parameters<WorkListener["failed"]>[0], { reason, message }: CodedError): void {
    this.log.warn("chunk failed", { chunk: rangeName(chunk), code: reason, reason: message });
  }

  readonly waiting = ({ message }: CodedError): void => {
    if (message !== this.last) this.log.warn("waiting", { reason: message });
    this.last = message;
  };
}
