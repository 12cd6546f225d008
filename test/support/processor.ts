/** The real server as its own process, on free ports of loopback, for tests that meet it from outside. */
import { join } from "node:path";

/** Every port that a server listens on is one that is free. */
export const PORTS = ["--grpc-address=127.0.0.1:0", "--flight-address=127.0.0.1:0", "--health-port=127.0.0.1:0"];

export const ROOT = join(import.meta.dir, "..", "..");
export const SAMPLE = { folder: join(ROOT, "sample", "lake"), first: 58751994, last: 58752000, rows: 311 };

/** The command that runs our program from its sources. */
export const SOURCES: readonly string[] = [process.execPath, join(ROOT, "src", "main.ts")];

/**
 * The command that runs our program: its sources, or the binary of them that test/run.ts has made, which takes most of a
 * second of a core less at every start.
 */
export const PROGRAM: readonly string[] = process.env.TEST_PROGRAM === undefined ? SOURCES : [process.env.TEST_PROGRAM];

const READY_MS_MAX = 60_000; // a machine under full load; it takes a quarter of a second otherwise

export interface Processor {
  /** host:port of each listener. */
  control: string;
  flight: string;
  http: string;
  pid: number;
  /** All that it printed so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  exited: Promise<number>;
  /** SIGTERM, then the exit code. */
  stop(): Promise<number>;
}

interface ProcessorOptions {
  /** Default: PROGRAM. */
  command?: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
}

/** `serve` with these flags; resolves when it says that it is ready. */
export async function startProcessor(flags: string[], options: ProcessorOptions = {}): Promise<Processor> {
  const command = options.command ?? PROGRAM;
  const isGiven = (port: string) => flags.some((flag) => flag.startsWith(port.replace(/=.*/, "=")));
  const ports = PORTS.filter((port) => !isGiven(port));
  const child = Bun.spawn([...command, "serve", ...ports, ...flags], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, CI: "", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  let changed = () => {};
  const follow = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true });
      changed();
    }
  };
  void follow(child.stdout);
  void follow(child.stderr);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${READY_MS_MAX} ms:\n${output}`)), READY_MS_MAX);
    changed = () => {
      if (!output.includes("do_get(")) return; // the last lines of the banner
      clearTimeout(timer);
      resolve();
    };
    void child.exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`serve exited with ${code}:\n${output}`));
    });
  });
  const address = (name: string) => new RegExp(`^ *${name} +(?:https?://)?([^ /]+)`, "m").exec(output)?.[1] ?? "";
  return {
    control: address("control"),
    flight: address("flight"),
    http: address("http"),
    pid: child.pid,
    output: () => output,
    kill: (signal) => child.kill(signal),
    exited: child.exited,
    stop: async () => {
      child.kill("SIGTERM");
      return child.exited;
    },
  };
}

/** Runs one command of the executable to its end. */
export async function runCommand(
  args: string[],
  options: ProcessorOptions & { stdin?: Uint8Array } = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const command = options.command ?? PROGRAM;
  const child = Bun.spawn([...command, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, CI: "", ...options.env },
    stdin: options.stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}
