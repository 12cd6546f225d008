/** A decoder in a process of its own, driven over its standard input and output. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a peer answers: sums over the passes of one round. */
export interface Round {
  passes: number;
  ledgers: number;
  /** Inflated. */
  bytes: number;
  rows: number;
  wallNanos: number;
  cpuNanos: number;
  /** sha256 of the rows' neutral text, where that was asked for. */
  digest?: string;
  error?: string;
}

export class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(
    readonly name: string,
    command: readonly string[],
    env: Record<string, string> = {},
  ) {
    this.child = spawn(command[0]!, command.slice(1), {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** Sends one command; the answer to it. */
  async ask(command: string): Promise<Round> {
    this.child.stdin!.write(`${command}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended at "${command}"`);
    const round = JSON.parse(value) as Round;
    if (round.error !== undefined) throw new Error(`${this.name}: ${round.error}`);
    return round;
  }

  close(): void {
    this.child.stdin!.end();
  }
}
