/** A session that a kill run watches: what its client got, under which filters, held against the server and the oracle. */
import type { Filters, Session } from "../../src/grpc/generated/control.ts";
import { goldenOf } from "./kill-oracle.ts";

/** A filter of the kinds that the oracle can decide. */
export interface Choice {
  contractIds: string[];
  includeDeleted: boolean;
}

interface Step {
  fromLedger: number;
  filter: Choice;
}

export interface Watched {
  id: string;
  start: number;
  timeline: Step[];
  /** A change that was asked for and not answered before the kill: it may hold or not. */
  open: Choice | undefined;
  cursor: string | undefined;
  /** Hashes of the rows received, by ledger, in order. */
  received: Map<number, string[]>;
  lastLedger: number;
  batches: number;
}

/** Takes the rows of a batch. @returns how many they were */
export function takeRows(session: Watched, table: Parameters<typeof rowsOf>[0]): number {
  session.batches += 1;
  let count = 0;
  for (const { ledger, hash } of rowsOf(table)) {
    takeRow(session, ledger, hash);
    count += 1;
  }
  return count;
}

/** Takes one row. @throws Error where it is of an older ledger than the last one */
export function takeRow(session: Watched, ledger: number, hash: string): void {
  if (ledger < session.lastLedger) {
    throw new Error(`session ${session.id}: a row of ledger ${ledger} came after ledger ${session.lastLedger}`);
  }
  session.lastLedger = ledger;
  const rows = session.received.get(ledger);
  if (rows === undefined) session.received.set(ledger, [hash]);
  else rows.push(hash);
}

/** That the session has the filters that its timeline names, or besides them the one that the kill cut off. */
export function checkTimeline(session: Watched, found: Session): void {
  const theirs = found.filterHistory.map(({ fromLedger, filters }) => ({ fromLedger, filter: choiceOf(filters!) }));
  const same = (steps: Step[]) => JSON.stringify(steps) === JSON.stringify(theirs);
  if (!same(session.timeline)) {
    // The call that the kill cut off may have been carried out.
    const last = theirs.at(-1)!;
    const { open } = session;
    if (open === undefined || JSON.stringify(open) !== JSON.stringify(last.filter)) {
      throw new Error(`the filters are ${JSON.stringify(theirs)}, not ${JSON.stringify(session.timeline)}`);
    }
    const before = session.timeline;
    changed(session, last);
    if (!same(session.timeline)) {
      throw new Error(`the filters are ${JSON.stringify(theirs)}, after ${JSON.stringify(before)} and one more`);
    }
  }
  session.open = undefined;
}

/** That the client got the rows that the oracle has under the filters, up to the last ledger, and no others. */
export function compare(session: Watched, ledgerLast: number, counted: number): void {
  let step = 0;
  let total = 0;
  for (let ledger = session.start; ledger <= ledgerLast; ledger++) {
    while (step + 1 < session.timeline.length && session.timeline[step + 1]!.fromLedger <= ledger) step += 1;
    const { contractIds, includeDeleted } = session.timeline[step]!.filter;
    const expected = goldenOf(ledger)
      .filter(({ contract }) => contractIds.length === 0 || contractIds.includes(contract))
      .filter(({ deleted }) => includeDeleted || !deleted)
      .map(({ hash }) => hash);
    const got = session.received.get(ledger) ?? [];
    if (got.join() !== expected.join()) {
      throw new Error(
        `session ${session.id}, ledger ${ledger}: ${got.length} rows came, and the oracle has ${expected.length}; filters ${JSON.stringify(session.timeline.map(({ fromLedger }) => fromLedger))}`,
      );
    }
    total += expected.length;
    session.received.delete(ledger);
  }
  if (session.received.size > 0) throw new Error(`rows came of ledgers after ${ledgerLast}`);
  if (counted !== total) throw new Error(`the session counted ${counted} rows, and made ${total}`);
}

/** The new step, and none from its ledger on that it replaces. */
export function changed(session: Watched, step: Step): void {
  session.open = undefined;
  const last = session.timeline.at(-1)!;
  // The same filter again changes nothing; the answer names the step that holds.
  if (JSON.stringify(last.filter) === JSON.stringify(step.filter) && last.fromLedger === step.fromLedger) return;
  session.timeline = [...session.timeline.filter(({ fromLedger }) => fromLedger < step.fromLedger), step];
}

function choiceOf({ contractIds, includeDeleted }: Filters): Choice {
  return { contractIds, includeDeleted };
}

function* rowsOf(table: {
  numRows: number;
  getChild(name: string): { get(row: number): unknown } | null;
}): Generator<{ ledger: number; hash: string }> {
  const ledgers = table.getChild("ledger_sequence")!;
  const hashes = table.getChild("ledger_key_hash")!;
  for (let row = 0; row < table.numRows; row++) {
    yield { ledger: Number(ledgers.get(row)), hash: String(hashes.get(row)) };
  }
}
