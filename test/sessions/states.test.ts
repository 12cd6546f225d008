/** The tables of states.ts as its documentation prints them are the tables that the code goes by, pair by pair. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SESSION_STATES, type SessionState } from "../../src/sessions/session-service.ts";
import {
  type CallEffect,
  effectOf,
  isActive,
  isEnded,
  nextState,
  SESSION_CALLS,
  SESSION_EVENTS,
} from "../../src/sessions/states.ts";
import { ROOT } from "../support/processor.ts";

const source = readFileSync(join(ROOT, "src", "sessions", "states.ts"), "utf8");
const lines = source
  .split("\n")
  .filter((line) => line.startsWith(" * |"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const eventHead = lines.findIndex(([first]) => first === "state");
const callHead = lines.findIndex(([first]) => first === "call");

test("every event in every state does what the table says", () => {
  expect(lines[eventHead]!.slice(1)).toEqual([...SESSION_EVENTS]);
  const rows = lines.slice(eventHead + 2, callHead);
  expect(rows.map(([state]) => state as string)).toEqual([...SESSION_STATES]);
  for (const [state, ...cells] of rows) {
    for (const [index, event] of SESSION_EVENTS.entries()) {
      const next = (cells[index] || state) as SessionState;
      expect(nextState(state as SessionState, event), `${event} in ${state}`).toBe(next);
    }
  }
});

test("every call in every state has the effect that the table says", () => {
  expect(lines[callHead]!.slice(1)).toEqual([...SESSION_STATES]);
  const rows = lines.slice(callHead + 2).filter(([call]) => call !== "");
  expect(rows).toHaveLength(SESSION_CALLS.length);
  for (const [row, call] of SESSION_CALLS.entries()) {
    for (const [index, state] of SESSION_STATES.entries()) {
      const effect = rows[row]![1 + index]!.replace(/[ ,*].*$/, "") as CallEffect;
      expect(effectOf(call, state), `${call} in ${state}`).toBe(effect);
    }
  }
});

test("no state is both active and ended, and no event leads out of the machine", () => {
  for (const state of SESSION_STATES) expect(isActive(state) && isEnded(state)).toBe(false);
  expect(SESSION_STATES.filter((state) => !isActive(state) && !isEnded(state))).toEqual(["UNKNOWN"]);
});
