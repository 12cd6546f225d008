/** A real nats-server with JetStream, started and stopped by a test: on loopback, on a port that was free. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { natsProgram } from "../clients/toolchain.ts";
import { freePorts } from "../support/object-store.ts";

const START_MS_MAX = 30_000;
const STARTS_MAX = 3; // a port may be taken between looking and listening

/** nats-server's path, or why it is not there (under CI=true that throws). For `describe.skipIf(nats.missing)`. */
export const nats = await natsProgram();

export class NatsServer {
  private server: Bun.Subprocess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly config: string,
  ) {}

  /** @param config further lines of its configuration file: TLS, who may log in */
  static async start(config = ""): Promise<NatsServer> {
    for (let tries = 1; ; tries++) {
      const folder = mkdtempSync(join(tmpdir(), "nats-"));
      const [port] = freePorts(1);
      const server = new NatsServer(port!, folder, config);
      try {
        await server.restart();
        return server;
      } catch (thrown) {
        await server.stop();
        if (tries === STARTS_MAX) throw thrown;
      }
    }
  }

  /** Several that are one NATS, on which streams can have replicas. */
  static async cluster(count: number): Promise<NatsServer[]> {
    const ports = freePorts(count);
    const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
    const configs = ports.map(
      (port, index) =>
        `server_name: nats-${index}\ncluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
    );
    return Promise.all(configs.map((config) => NatsServer.start(config)));
  }

  /** For CLUSTER. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Of the process that runs. */
  get pid(): number {
    return this.server!.pid;
  }

  /** SIGKILL, as a power cut of the process: what it has in its folder stays. */
  async kill(): Promise<void> {
    this.server?.kill("SIGKILL");
    await this.server?.exited;
    this.server = undefined;
  }

  /** Starts it again on its port, after `kill` or `wipe`; resolves when it accepts connections. */
  async restart(): Promise<void> {
    await this.kill();
    const file = join(this.folder, "nats.conf");
    const store = join(this.folder, "store");
    writeFileSync(file, `listen: "127.0.0.1:${this.port}"\njetstream { store_dir: "${store}" }\n${this.config}\n`);
    this.server = Bun.spawn([nats.command![0]!, "-c", file, "-l", join(this.folder, "log")], {
      stdout: "ignore",
      stderr: "ignore",
    });
    const begun = performance.now();
    while (!(await accepts(this.port))) {
      if (this.server.exitCode !== null || performance.now() - begun > START_MS_MAX) {
        const log = await Bun.file(join(this.folder, "log"))
          .text()
          .catch(() => "");
        throw new Error(`nats-server did not start (exit code ${this.server.exitCode}): ${log.slice(-2000)}`);
      }
      await Bun.sleep(20);
    }
  }

  /** Kills it and takes all that JetStream has; `restart` starts it empty. */
  async wipe(): Promise<void> {
    await this.kill();
    rmSync(join(this.folder, "store"), { recursive: true, force: true });
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(port, "127.0.0.1");
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => end(true)); // NATS speaks first
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}
