/**
 * The example of Python as a reader of a replicated session, in a process of its own. It knows one node to begin with; the others
 * it has from GetFlightInfo.
 */
import { join } from "node:path";
import { takeRow, type Watched } from "../support/kill-watched.ts";
import { ROOT } from "../support/processor.ts";

const PROGRAM = `
import sys, contract_data
for batch in contract_data.stream("grpc://" + sys.argv[1], session=sys.argv[2]):
    rows = [batch.rows.column(name).to_pylist() for name in ("ledger_sequence", "ledger_key_hash")]
    print("".join(f"{ledger} {key}\\n" for ledger, key in zip(*rows)), end="", flush=True)
`;

export class PythonReader {
  rows = 0;
  /** Resolves when the session has ended and all its rows are here; rejects with what Python said else. */
  readonly done: Promise<void>;
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  private arrived = () => {};

  /** @param interpreter with pyarrow */
  constructor(
    interpreter: readonly string[],
    flight: string,
    private readonly session: Watched,
  ) {
    this.child = Bun.spawn([...interpreter, "-c", PROGRAM, flight, session.id], {
      env: { ...process.env, PYTHONPATH: join(ROOT, "examples", "python") },
      stdout: "pipe",
      stderr: "pipe",
    });
    this.done = this.read();
    this.done.catch(() => {}); // whoever waits for a row is told
  }

  /** The next row that comes. @throws Error as `done`, where it ends before */
  readonly nextRow = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.arrived = resolve;
    await Promise.race([promise, this.done]);
  };

  kill(): void {
    this.child.kill("SIGKILL");
  }

  private async read(): Promise<void> {
    const said = new Response(this.child.stderr).text();
    let rest = "";
    for await (const chunk of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const [ledger, hash] = line.split(" ");
        takeRow(this.session, Number(ledger), hash!);
      }
      this.rows += lines.length;
      if (lines.length > 0) this.arrived();
    }
    if ((await this.child.exited) !== 0) throw new Error(`the example of Python: ${await said}`);
  }
}
