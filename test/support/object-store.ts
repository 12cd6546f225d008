/** A real store that speaks S3, started and stopped by a test: SeaweedFS on loopback, on ports that were free. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { AwsClient } from "aws4fetch";
import { contentOf, type KeyPair } from "./certificates.ts";

const START_MS_MAX = 60_000;
const STARTS_MAX = 3; // a port may be taken between looking and listening

/** The key that may do everything. */
export const KEY = { accessKeyId: "testkey", secretAccessKey: "testsecret" };
/** A bucket that nobody may read without a key, and one that everybody may. */
export const [PRIVATE, PUBLIC] = ["private", "public"];

const IDENTITIES = {
  identities: [
    {
      name: "admin",
      credentials: [{ accessKey: KEY.accessKeyId, secretKey: KEY.secretAccessKey }],
      actions: ["Admin", "Read", "Write", "List", "Tagging"],
    },
    { name: "anonymous", actions: [`Read:${PUBLIC}`, `List:${PUBLIC}`] },
  ],
};

/** What a store that speaks TLS has. */
interface StoreTls extends KeyPair {
  /** Set: it answers only those who have a certificate of this authority (PEM file). */
  clientCa?: string;
}

export class ObjectStore {
  private readonly client = new AwsClient({ ...KEY, service: "s3", region: "us-east-1", retries: 0 });

  private constructor(
    /** `http://127.0.0.1:PORT` */
    readonly endpoint: string,
    private readonly folder: string,
    private readonly server: Bun.Subprocess,
    private readonly own: StoreTls | undefined,
  ) {}

  /**
   * @param weed the program
   * @param own its certificate: then it speaks TLS
   */
  static async start(weed: string, own?: StoreTls): Promise<ObjectStore> {
    for (let tries = 1; ; tries++) {
      const store = await ObjectStore.tryStart(weed, own);
      if (store !== undefined) return store;
      if (tries === STARTS_MAX) throw new Error(`SeaweedFS did not start in ${STARTS_MAX} tries`);
    }
  }

  private static async tryStart(weed: string, own: StoreTls | undefined): Promise<ObjectStore | undefined> {
    const folder = mkdtempSync(join(tmpdir(), "object-store-"));
    writeFileSync(join(folder, "identities.json"), JSON.stringify(IDENTITIES));
    const names = [
      "master.port",
      "master.port.grpc",
      "volume.port",
      "volume.port.grpc",
      "filer.port",
      "filer.port.grpc",
    ];
    const ports = freePorts(names.length + 2);
    const flags = names.map((name, index) => `-${name}=${ports[index]}`);
    const [s3, s3Grpc] = ports.slice(-2);
    const server = Bun.spawn(
      [weed, `-logdir=${folder}`, "server", `-dir=${folder}`, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", ...flags].concat(
        [
          "-filer",
          "-s3",
          `-s3.port=${s3}`,
          `-s3.port.grpc=${s3Grpc}`,
          "-s3.port.iceberg=0",
          "-s3.port.lance=0",
          `-s3.config=${join(folder, "identities.json")}`,
        ],
        ["-master.volumeSizeLimitMB=64", "-volume.max=20"],
        own === undefined ? [] : [`-s3.cert.file=${own.cert}`, `-s3.key.file=${own.key}`],
        own?.clientCa === undefined ? [] : [`-s3.cacert.file=${own.clientCa}`, "-s3.tlsVerifyClientCert"],
      ),
      { stdout: "ignore", stderr: "ignore" },
    );
    const store = new ObjectStore(`${own === undefined ? "http" : "https"}://127.0.0.1:${s3}`, folder, server, own);
    const begun = performance.now();
    while (server.exitCode === null && performance.now() - begun < START_MS_MAX) {
      if ((await store.makeBuckets()) === true) return store;
      await Bun.sleep(100);
    }
    await store.stop();
    return undefined;
  }

  private async makeBuckets(): Promise<boolean> {
    for (const bucket of [PRIVATE, PUBLIC]) {
      const made = await this.send(`${this.endpoint}/${bucket}`, { method: "PUT" }).catch(() => undefined);
      if (made?.ok !== true) return false;
    }
    return this.put(`${PRIVATE}/probe`, new Uint8Array(1)).then(
      () => true,
      () => false,
    );
  }

  /** @param key with the bucket in front */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const answer = await this.send(`${this.endpoint}/${key}`, {
      method: "PUT",
      body: new Blob([bytes as Uint8Array<ArrayBuffer>]),
    });
    if (!answer.ok) throw new Error(`${key}: ${answer.status} ${await answer.text()}`);
  }

  /** @param key with the bucket in front */
  async get(key: string): Promise<Uint8Array> {
    const answer = await this.send(`${this.endpoint}/${key}`, {});
    if (!answer.ok) throw new Error(`${key}: ${answer.status} ${await answer.text()}`);
    return answer.bytes();
  }

  /** The first thousand keys that begin so. @param prefix with the bucket in front */
  async names(prefix: string): Promise<string[]> {
    const [bucket, ...rest] = prefix.split("/") as [string, ...string[]];
    const query = new URLSearchParams({ "list-type": "2", prefix: rest.join("/") });
    const answer = await this.send(`${this.endpoint}/${bucket}?${query}`, {});
    return [...(await answer.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
  }

  /** Copies every file of a folder, oldest ledgers first. @param prefix with the bucket in front and no slash at its end */
  async putFolder(folder: string, prefix: string): Promise<void> {
    for (const { key, bytes } of filesOf(folder)) await this.put(`${prefix}/${key}`, bytes);
  }

  private async send(url: string, init: RequestInit): Promise<Response> {
    const tls = this.own && { ...contentOf(this.own), rejectUnauthorized: false };
    return fetch(await this.client.sign(url, init), { tls });
  }

  async stop(): Promise<void> {
    this.server.kill("SIGKILL");
    await this.server.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Every file of a lake's folder, the oldest ledgers first. */
export function* filesOf(folder: string): Generator<{ key: string; bytes: Uint8Array }> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const path of paths.reverse()) yield { key: relative(folder, path), bytes: readFileSync(path) };
}

/** Ports that were free a moment ago. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return ports;
}
