/**
 * Hands out chunks by a work queue of JetStream: a message for each chunk that is free, and a worker asks for one at a time.
 * NATS says which chunk is next; whose it is, and what is done, the place says as ever (lease-queue.ts). So all that NATS
 * may do is harmless: a message that comes twice is of a chunk that is there or taken, and one that is lost is written anew
 * once nothing is left in the queue. Where NATS is away, a worker takes its next chunk by the place alone.
 *
 *     message of a chunk that is     what becomes of it
 *     there, set aside               acknowledged
 *     free                           its next try begins; NATS is told of it until it ends
 *     taken                          it comes again later; meanwhile its worker is looked at
 */
import {
  AckPolicy,
  type Consumer,
  DiscardPolicy,
  type JetStreamClient,
  type JsMsg,
  RetentionPolicy,
} from "@nats-io/jetstream";
import { unlessAborted } from "../base/unless-aborted.ts";
import { type ClusterConnection, clusterFault } from "../cluster/connection.ts";
import type { CodedError } from "../error.ts";
import { parseRangeName, rangeName } from "../export/settings.ts";
import type { ChunkBoard } from "./chunk-board.ts";
import type { ChunkQueue, TakenChunk } from "./chunk-queue.ts";
import type { Job } from "./job.ts";
import type { LeaseQueue } from "./lease-queue.ts";

const CONSUMER = "workers";
const NEXT_MS = 2_000; // one request for a message; a worker looks at the place as often while it waits
const LOOK_MS = 1_000; // until a chunk that is not free, or has failed, comes again
const ANSWER_MS_MAX = 10_000; // of a request that has an end of its own: beyond that NATS is away
const RENEWALS_A_LEASE = 3;
const PUBLISHES = 100; // at a time
const SUBJECT_TAKEN = 10_077; // JetStream's error: there is a message for that chunk, which is what we want

/** One worker's view of it. */
export class NatsQueue implements ChunkQueue {
  private readonly stream: string;
  private readonly board: ChunkBoard;
  private consumer: Consumer | undefined;

  /** @param onAway told when NATS does not do its part, and chunks are taken without it */
  constructor(
    private readonly connection: ClusterConnection,
    private readonly job: Job,
    private readonly leases: LeaseQueue,
    private readonly onAway: (why: CodedError) => void,
  ) {
    this.stream = streamOf(connection, job);
    this.board = leases.board;
  }

  async take(signal: AbortSignal): Promise<TakenChunk | undefined> {
    for (;;) {
      signal.throwIfAborted();
      await this.board.refresh();
      if (!this.isAnyLeft()) return undefined;
      let message: JsMsg | undefined;
      try {
        message = await this.next(signal);
      } catch (thrown) {
        signal.throwIfAborted();
        this.consumer = undefined; // it may have been taken away with all of JetStream
        await this.board.refresh();
        if (this.isAnyLeft()) this.onAway(clusterFault(thrown)); // else the last worker has dropped the queue
        return this.leases.take(signal);
      }
      const taken = message === undefined ? await this.withoutMessage() : await this.byMessage(message);
      if (taken !== undefined) return taken;
    }
  }

  private isAnyLeft(): boolean {
    return this.board.in("free").length + this.board.in("taken").length > 0;
  }

  drop(): Promise<void> {
    return dropQueue(this.connection, this.job);
  }

  /** The next message; undefined where none has come for a while. @throws whatever NATS does, within ANSWER_MS_MAX */
  private async next(signal: AbortSignal): Promise<JsMsg | undefined> {
    const js = this.connection.jetstream();
    const until = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    this.consumer ??= await unlessAborted(this.open(js), until);
    const asked = this.consumer.next({ expires: NEXT_MS });
    try {
      return (await unlessAborted(asked, until)) ?? undefined;
    } catch (thrown) {
      asked.then((late) => late?.nak()).catch(() => {});
      throw thrown;
    }
  }

  /** The queue, which is made and filled where it is not there. */
  private async open(js: JetStreamClient): Promise<Consumer> {
    const manager = await js.jetstreamManager();
    const { state } = await manager.streams.add({
      name: this.stream,
      subjects: [`${this.stream}.*`],
      retention: RetentionPolicy.Workqueue,
      num_replicas: this.connection.place.replicas,
      max_msgs_per_subject: 1, // a chunk is in the queue once, also while a worker has it
      discard: DiscardPolicy.New,
      discard_new_per_subject: true,
    });
    const ack_wait = this.job.leaseMs * 1_000_000;
    await manager.consumers.add(this.stream, { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit, ack_wait });
    if (state.messages < this.board.in("free").length) await this.publish(js);
    return js.consumers.get(this.stream, CONSUMER);
  }

  /** A message for each free chunk that has none. */
  private async publish(js: JetStreamClient): Promise<void> {
    const free = this.board.in("free");
    for (let at = 0; at < free.length; at += PUBLISHES) {
      const some = free.slice(at, at + PUBLISHES).map(async (chunk) => {
        try {
          await js.publish(`${this.stream}.${rangeName(chunk)}`);
        } catch (thrown) {
          if ((thrown as { code?: unknown }).code !== SUBJECT_TAKEN) throw thrown;
        }
      });
      await Promise.all(some);
    }
  }

  private async byMessage(message: JsMsg): Promise<TakenChunk | undefined> {
    const chunk = parseRangeName(message.subject.slice(this.stream.length + 1));
    const state = chunk && this.board.stateOf(chunk);
    if (chunk === undefined || state === "there" || state === "set aside") {
      message.ack();
      return undefined;
    }
    const taken = await (state === "free" ? this.leases.begin(chunk) : this.leases.lookAt(chunk));
    if (taken !== undefined) return this.renewed(taken, message);
    message.nak(LOOK_MS);
    return undefined;
  }

  /** Nothing is in the queue for this worker: others have what is left, or JetStream has lost it. */
  private async withoutMessage(): Promise<TakenChunk | undefined> {
    for (const chunk of this.board.in("taken")) {
      const own = await this.leases.lookAt(chunk);
      if (own !== undefined) return own;
    }
    await this.board.refresh();
    if (this.board.in("free").length > 0) this.consumer = undefined; // which has it opened, and filled
    return undefined;
  }

  /** The chunk, whose message is not given to others while it is in hand. */
  private renewed(taken: TakenChunk, message: JsMsg): TakenChunk {
    const renewal = setInterval(() => message.working(), this.job.leaseMs / RENEWALS_A_LEASE);
    return {
      ...taken,
      done: async () => {
        clearInterval(renewal);
        message.ack();
        await taken.done();
      },
      giveUp: async (how, why) => {
        clearInterval(renewal);
        await taken.giveUp(how, why);
        message.nak(how === "failed" ? LOOK_MS : 0);
      },
    };
  }
}

/** Takes the queue of a job away that has ended, where it is there and NATS is too. */
export async function dropQueue(connection: ClusterConnection, job: Job): Promise<void> {
  try {
    const manager = await connection.jetstream().jetstreamManager();
    await manager.streams.delete(streamOf(connection, job));
  } catch {} // NATS is away, or somebody else was first
}

function streamOf({ place }: ClusterConnection, { id }: Job): string {
  return `${place.name}_backfill_${id}`;
}
