/** An object as the answer to a GET gives it: the head is here, the body is still on its way. */
import { CodedError } from "../../error.ts";
import type { StoredObject } from "../lake/lake-storage.ts";
import type { StoreAnswer } from "../store-request.ts";

/** An object whose answer's head has come, and whose body has not been read. */
export class OpenObject implements StoredObject {
  readonly size: number;
  readonly modifiedUnixMs: number;
  readonly version: string;

  /** @param again gets the whole object, once the first answer has broken off */
  constructor(
    readonly name: string,
    private readonly answer: StoreAnswer,
    private readonly again: () => Promise<Uint8Array>,
  ) {
    this.size = Number(answer.headers.get("content-length") ?? 0);
    this.modifiedUnixMs = modifiedUnixMs(answer.headers);
    this.version = answer.headers.get("etag") ?? String(this.modifiedUnixMs);
  }

  get changedUnixMs(): number {
    return this.modifiedUnixMs;
  }

  async bytes(): Promise<Uint8Array> {
    try {
      return await this.answer.bytes();
    } catch (thrown) {
      if (!(thrown instanceof CodedError) || thrown.reason !== "STORE_UNAVAILABLE") throw thrown;
      return this.again();
    }
  }

  async close(): Promise<void> {
    this.answer.drop();
  }
}

/** When an object last changed (Unix ms), by its `Last-Modified`; now where the answer has none. */
export function modifiedUnixMs(headers: Headers): number {
  const time = Date.parse(headers.get("last-modified") ?? "");
  return Number.isNaN(time) ? Date.now() : time;
}

/** A key as it stands in a URL's path. */
export function pathOf(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}
