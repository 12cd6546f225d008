/** A RawLedgerService of grpc-go that sends as fast as its reader lets it, and says how much it has sent. */
import { goClient } from "../clients/toolchain.ts";

export class GoSource {
  /** Messages that grpc-go has taken so far. */
  sent = 0;

  private constructor(
    readonly address: string,
    private readonly child: { kill(): void; exited: Promise<number> },
  ) {}

  /** Resolves once it is gone, and its port free. */
  get ended(): Promise<number> {
    return this.child.exited;
  }

  /** @param args of the Go client's `source`. Undefined where there is no Go; throws that under CI=true. */
  static async start(args: readonly string[]): Promise<GoSource | undefined> {
    const go = await goClient();
    if (go.command !== undefined) return GoSource.run([...go.command, "source", ...args]);
    console.log(`skipped: ${go.missing}`);
    return undefined;
  }

  /** A source of another library that says where it listens in the same way. */
  static run(command: readonly string[]): Promise<GoSource> {
    const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
    const started = Promise.withResolvers<GoSource>();
    void (async () => {
      let source: GoSource | undefined;
      for await (const line of linesOf(child.stdout)) {
        const { addr, sent } = JSON.parse(line) as { addr?: string; sent?: number };
        if (addr !== undefined) {
          source = new GoSource(addr, child);
          started.resolve(source);
        }
        if (source !== undefined && sent !== undefined) source.sent = sent;
      }
      started.reject(new Error(`${command.join(" ")} ended before it listened`));
    })();
    return started.promise;
  }

  [Symbol.dispose](): void {
    this.child.kill();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
