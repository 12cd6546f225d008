/** One COPY under way. */
import { once } from "node:events";
import { finished } from "node:stream/promises";
import type { Client } from "pg";
import { type CopyStreamQuery, from } from "pg-copy-streams";
import { COPY_END, COPY_HEAD } from "./copy-encoder.ts";

const CHUNK_BYTES = 256 << 10; // of what is sent at a time
const WAITING_BYTES_MAX = 1 << 20; // of what waits for the database to take it

/** Takes rows in the binary format. Every method throws what the database says. */
export class OpenCopy {
  private readonly stream: CopyStreamQuery;
  private readonly done: Promise<void>;

  /** @param copy the statement */
  constructor(client: Client, copy: string) {
    this.stream = client.query(from(copy, { highWaterMark: WAITING_BYTES_MAX }));
    this.done = finished(this.stream);
    this.done.catch(() => {}); // it is waited for later
    this.stream.write(COPY_HEAD);
  }

  /** Resolves once there is room for more. @param rows whole ones, which may not change any more */
  async send(rows: Buffer): Promise<void> {
    for (let at = 0; at < rows.length; at += CHUNK_BYTES) {
      const hasRoom = !this.stream.destroyed && this.stream.write(rows.subarray(at, at + CHUNK_BYTES));
      if (!hasRoom) await Promise.race([this.done, once(this.stream, "drain")]);
    }
  }

  /** Resolves once the database has all rows. */
  async end(): Promise<void> {
    this.stream.end(COPY_END);
    await this.done;
  }

  /** Gives it up; its transaction can only be rolled back. */
  async abandon(): Promise<void> {
    this.stream.destroy();
    await this.done.catch(() => {}); // which is what was asked for
  }
}
