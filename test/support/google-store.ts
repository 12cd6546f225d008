/** A server that answers as Google Cloud Storage does, started and stopped by a test: fake-gcs-server on loopback. */
import { filesOf, freePorts } from "./object-store.ts";

const START_MS_MAX = 60_000;
const STARTS_MAX = 3; // a port may be taken between looking and listening

export class GoogleStore {
  private constructor(
    /** `http://127.0.0.1:PORT` */
    readonly endpoint: string,
    private readonly server: Bun.Subprocess,
  ) {}

  /** With one bucket. @param program fake-gcs-server */
  static async start(program: string, bucket: string): Promise<GoogleStore> {
    for (let tries = 0; tries < STARTS_MAX; tries++) {
      const [port] = freePorts(1) as [number];
      const flags = ["-scheme=http", "-host=127.0.0.1", `-port=${port}`, `-public-host=127.0.0.1:${port}`];
      const command = [program, ...flags, "-backend=memory", "-log-level=error"];
      const server = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
      const store = new GoogleStore(`http://127.0.0.1:${port}`, server);
      const begun = performance.now();
      while (server.exitCode === null && performance.now() - begun < START_MS_MAX) {
        const request = { method: "POST", body: JSON.stringify({ name: bucket }) };
        const made = await fetch(`${store.endpoint}/storage/v1/b`, request).catch(() => undefined);
        if (made?.ok === true) return store;
        await Bun.sleep(50);
      }
      await store.stop();
    }
    throw new Error(`fake-gcs-server did not start in ${STARTS_MAX} tries`);
  }

  async put(bucket: string, key: string, bytes: Uint8Array): Promise<void> {
    const url = `${this.endpoint}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`;
    const answer = await fetch(url, { method: "POST", body: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
    if (!answer.ok) throw new Error(`${key}: ${answer.status} ${await answer.text()}`);
  }

  /** Copies every file of a folder. @param prefix without a slash at its end */
  async putFolder(folder: string, bucket: string, prefix: string): Promise<void> {
    for (const { key, bytes } of filesOf(folder)) await this.put(bucket, `${prefix}/${key}`, bytes);
  }

  async stop(): Promise<void> {
    this.server.kill("SIGKILL");
    await this.server.exited;
  }
}
