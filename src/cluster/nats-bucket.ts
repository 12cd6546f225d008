/** Shared records in a JetStream stream of one message a subject: what a KV bucket is, and any NATS tool reads it as one. */
import { DiscardPolicy, JetStreamApiError, type JetStreamClient, StorageType } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { type ClusterConnection, clusterFault } from "./connection.ts";
import { type BucketEntry, type RecordBucket, RevisionConflict } from "./record-bucket.ts";

const WRONG_LAST_SEQUENCE = 10071; // JetStream's error code
const NAME_IN_USE = 10058;
const NOTHING_FOUND = 404; // status of a read
const NOBODY_ANSWERS = 503;
const READ_BATCH = 1000; // records that one request asks for; JetStream answers some thousand
const OPERATION = "KV-Operation"; // of a message that stands for no value
const REMOVED_KEPT = "24h"; // longer than any node is away that may still write a record anew

/** A bucket of this name in the connection's NATS, made where it is not there. */
export class NatsBucket implements RecordBucket {
  private readonly stream: string;
  private readonly prefix: string;

  /** @param name without the cluster's */
  constructor(
    private readonly connection: ClusterConnection,
    name: string,
  ) {
    const bucket = `${connection.place.name}-${name}`;
    this.stream = `KV_${bucket}`;
    this.prefix = `$KV.${bucket}.`;
  }

  /** A record that is written meanwhile moves to the end of the stream, so that none is missed. */
  async read(name = ">"): Promise<Map<string, BucketEntry>> {
    const entries = new Map<string, BucketEntry>();
    await this.inBucket(async (jetstream) => {
      const { direct } = await jetstream.jetstreamManager(false);
      for (let seq = 1, isMore = true; isMore; ) {
        let count = 0;
        try {
          const query = { seq, batch: READ_BATCH, next_by_subj: this.prefix + name };
          for await (const message of await direct.getBatch(this.stream, query)) {
            const { subject, header, data } = message;
            const entry = header?.has(OPERATION) ? {} : { bytes: data };
            entries.set(subject.slice(this.prefix.length), { revision: message.seq, ...entry });
            seq = message.seq + 1;
            count += 1;
          }
        } catch (thrown) {
          if (statusOf(thrown) !== NOTHING_FOUND) throw thrown;
        }
        isMore = count === READ_BATCH;
      }
    });
    return entries;
  }

  async put(name: string, bytes: Uint8Array, revision: number): Promise<number> {
    return this.inBucket(async (jetstream) => {
      const expect = { lastSubjectSequence: revision };
      return (await jetstream.publish(this.prefix + name, bytes, { expect })).seq;
    });
  }

  async remove(name: string, revision: number): Promise<void> {
    const purge = headers();
    purge.set(OPERATION, "PURGE");
    purge.set("Nats-Rollup", "sub");
    await this.inBucket((jetstream) =>
      jetstream.publish(this.prefix + name, undefined, {
        headers: purge,
        expect: { lastSubjectSequence: revision },
        ttl: REMOVED_KEPT,
      }),
    );
  }

  /** @throws RevisionConflict; CodedError UNAVAILABLE / CLUSTER_AWAY */
  private async inBucket<T>(work: (jetstream: JetStreamClient) => Promise<T>): Promise<T> {
    try {
      const jetstream = this.connection.jetstream();
      try {
        return await work(jetstream);
      } catch (thrown) {
        if (!isMissing(thrown)) throw thrown;
        await this.make(jetstream);
        return await work(jetstream);
      }
    } catch (thrown) {
      if (hasCode(thrown, WRONG_LAST_SEQUENCE)) throw new RevisionConflict((thrown as Error).message);
      throw clusterFault(thrown);
    }
  }

  private async make(jetstream: JetStreamClient): Promise<void> {
    const { streams } = await jetstream.jetstreamManager(false);
    try {
      await streams.add({
        name: this.stream,
        subjects: [`${this.prefix}>`],
        storage: StorageType.File,
        num_replicas: this.connection.place.replicas,
        max_msgs_per_subject: 1,
        discard: DiscardPolicy.New,
        deny_delete: true,
        allow_direct: true,
        allow_rollup_hdrs: true,
        allow_msg_ttl: true,
        // No revision comes twice: a late write from before the bucket was lost would else be let in.
        first_seq: Date.now() * 1000,
      });
    } catch (thrown) {
      if (!hasCode(thrown, NAME_IN_USE)) throw thrown; // another node was faster
    }
  }
}

/** What JetStream says where a stream is not there; or where JetStream itself is not. */
function isMissing(thrown: unknown): boolean {
  return statusOf(thrown) === NOBODY_ANSWERS || (thrown instanceof Error && thrown.name === "JetStreamNotEnabled");
}

/** The status of a refused read; the client does not export the error's class. */
function statusOf(thrown: unknown): number | undefined {
  return thrown instanceof Error && thrown.name === "JetStreamStatusError" && "code" in thrown
    ? (thrown.code as number)
    : undefined;
}

function hasCode(thrown: unknown, code: number): boolean {
  return thrown instanceof JetStreamApiError && thrown.code === code;
}
