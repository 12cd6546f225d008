/** Runs a sink from the command line: what it says, and how it ends. */

import { counted } from "../base/text.ts";
import type { CodedError } from "../error.ts";
import { FlightClient } from "../flight-client/client.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import { SOURCES } from "../reasons/sources.ts";
import { type ConsumeResult, type ConsumerCommit, consume } from "../sinks/consume.ts";
import { readerOf } from "../sinks/reader.ts";
import type { Sink } from "../sinks/sink.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { CommandContext, Output } from "./command.ts";
import { flightAccess } from "./flight-call.ts";
import { interruptedExitCode } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { Progress } from "./progress.ts";
import { checkSinkFlags, find, pacingOf, type SINK_FLAGS } from "./sink-flags.ts";
import { tailError } from "./tail-errors.ts";

/** A sink that can say what it would do. */
interface PlannedSink extends Sink {
  /** In sentences without a subject; nothing is changed. */
  plan(reader: string): Promise<string[]>;
}

/** Who else wants to know how it goes. */
interface SinkWatch {
  /** The sink is open, at the first time and after each failure. @param address of the Flight server */
  open(reader: string, address: string, log: Logger): void;
  commit(commit: ConsumerCommit): void;
  retry(error: Error): void;
  /** It is over. */
  end(): Promise<void>;
}

type Context = Pick<CommandContext<typeof SINK_FLAGS>, "flags" | "env" | "print" | "stderr" | "interrupt">;

/** @param where the rows go, for people */
export async function runSink(context: Context, sink: PlannedSink, where: string, watch?: SinkWatch): Promise<number> {
  const { flags, env, print, stderr } = context;
  checkSinkFlags(flags);
  const pacing = pacingOf(flags, env);
  const { address, login, ...access } = flightAccess(context);
  const signal = context.interrupt();
  const client = new FlightClient(address, access);
  const told = new Told(stderr);
  let session = flags.session ?? "";
  try {
    if (login !== undefined) await client.login(login.name, login.password, signal);
    const found = await find(client, flags, signal);
    const { selection } = found;
    const reader = readerOf(selection);
    if (flags["dry-run"]) {
      for (const sentence of await sink.plan(reader)) print(sentence);
      print(`reads ${reader} from ${address}`);
      return 0;
    }
    if ("session" in selection) session = selection.session;
    told.begin(found.ledgerStart, found.ledgerEnd);
    const result = await consume({
      ...{ address, selection, sink, login, signal, ...access, ...pacing },
      onOpen: () => watch?.open(reader, address, told.log),
      onCommit: (commit) => {
        told.commit(commit);
        watch?.commit(commit);
      },
      onRetry: (error, waitMs) => {
        told.retry(error, waitMs, session);
        watch?.retry(error);
      },
    });
    told.end();
    print(
      await lastLine(client, { result, session, dataset: flags.dataset, reader, where, isInterrupted: signal.aborted }),
    );
    return 0;
  } catch (thrown) {
    told.end();
    if (signal.aborted) {
      stderr.write(`${PROGRAM}: interrupted before anything was read\n`);
      return interruptedExitCode(signal);
    }
    const { credentials } = client;
    throw tailError(thrown, { address, credentials, session, from: undefined, hasBegun: told.hasCommitted });
  } finally {
    client.close();
    await watch?.end();
  }
}

interface Ended {
  result: ConsumeResult;
  /** Empty for a range. */
  session: string;
  dataset: Dataset;
  reader: string;
  where: string;
  isInterrupted: boolean;
}

async function lastLine(client: FlightClient, ended: Ended): Promise<string> {
  const { result, session, dataset, reader, where, isInterrupted } = ended;
  const rows = `${counted(result.rows, "row")} of ${reader} committed to ${where}`;
  const late = result.isCut ? `, while ${where} did not take those behind them within 5 s` : "";
  if (isInterrupted) return `${rows}; interrupted${late}, and the same command goes on behind them`;
  if (session === "") return `${rows}; it is complete`;
  const { ledgerCurrent, ledgerEnd } = await client.session(session, undefined, dataset);
  if (ledgerEnd !== 0 && ledgerCurrent >= ledgerEnd) return `${rows}; it is complete`;
  return `${rows}; it was stopped after ledger ${ledgerCurrent}: "${PROGRAM} resume ${session}", then the same command, go on`;
}

/** One line of log for each commit and each failure, and on a terminal a line of progress below them. */
class Told {
  hasCommitted = false;
  readonly log: Logger;
  private progress: Progress | undefined;
  private ledgerStart = 0;

  constructor(private readonly stderr: Output) {
    const write = (line: string): void => {
      this.progress?.clear();
      stderr.write(line);
    };
    this.log = createLogger({ level: "info", output: { write, isTTY: stderr.isTTY } });
  }

  begin(ledgerStart: number, ledgerEnd: number): void {
    this.ledgerStart = ledgerStart;
    if (ledgerEnd !== 0) this.progress = new Progress(this.stderr, ledgerEnd - ledgerStart + 1);
  }

  commit({ rows, rowsTotal, cursor, ledgerComplete, lagSeconds, tookMs }: ConsumerCommit): void {
    this.hasCommitted = true;
    const lag = Math.round(lagSeconds);
    this.log.info("committed", {
      ...{ rows, rowsTotal, ledger: ledgerComplete, lagSeconds: lag, tookMs: Math.round(tookMs), cursor },
    });
    this.progress?.show(Math.max(0, ledgerComplete - this.ledgerStart + 1), `${rowsTotal} rows`);
  }

  /** @param session empty for a range */
  retry(error: CodedError, waitMs: number, session: string): void {
    const isOfSource = session !== "" && error.reason in SOURCES;
    const hint = isOfSource ? { hint: `a session that has failed goes on after "${PROGRAM} resume ${session}"` } : {};
    this.log.warn("failed; trying again", { reason: error.message, waitMs: Math.round(waitMs), ...hint });
  }

  end(): void {
    this.progress?.clear();
  }
}
