/** Calls as strangers and clumsy clients make them: tickets, descriptors, criteria, action bodies, requests and metadata, mutated. */
import { Metadata } from "@grpc/grpc-js";
import { Action, Criteria, FlightDescriptor, Ticket } from "../../src/grpc/generated/flight.ts";
import { SAMPLE } from "../support/processor.ts";
import { changedBytes } from "./changed-bytes.ts";
import { controlCall } from "./control-cases.ts";
import { caseSeed, Dice } from "./dice.ts";
import { addOddMetadata } from "./odd-metadata.ts";

const FLIGHT = "arrow.flight.protocol.FlightService";
const TOKEN_CHARACTERS = 10_000;

/** One call. */
export interface CallCase {
  description: string;
  listener: "control" | "flight";
  /** `package.Service/Method`. */
  path: string;
  message: Uint8Array;
  /** Without `authorization` it is for a caller who may do all. */
  metadata: Metadata;
}

const RANGE = {
  start_ledger: SAMPLE.first,
  end_ledger: SAMPLE.last,
  schema_version: 2,
  filters: { key_types: ["ScValTypeScvVec"] },
};
const SOUND: readonly object[] = [
  RANGE,
  { ...RANGE, columns: ["ledger_sequence", "contract_id"], compression: "zstd" },
  { ...RANGE, endpoints: 2 },
  { session: "s-1", from: "start", partition: 0 },
  { state: "RUNNING" },
  { schema_version: 2 },
];
const ODD: readonly unknown[] = [
  ...[null, -1, 0, 1.5, 2 ** 31, 2 ** 53, 1e308, "", "-0", "1e3", "\u0000", "\ud800", "💥".repeat(50)],
  ...[[], {}, [[[[[[]]]]]], { a: { b: { c: {} } } }, true, "x".repeat(5000), "__proto__", "../../etc/passwd"],
];
const ACTIONS = [
  ...["CancelFlightInfo", "RenewFlightEndpoint", "sessions", "session", "streams", "schema", "server-info"],
  ...["", "nothing", "CreatePreparedStatement", "💥"],
];

/** A JSON value with one thing in it exchanged, added or taken away. */
function mutatedJson(dice: Dice, value: object): string {
  const entries = Object.entries(value);
  const at = dice.below(entries.length);
  const [name, old] = entries[at]!;
  switch (dice.below(4)) {
    case 0:
      entries[at] = [name, dice.pick(ODD)];
      break;
    case 1:
      entries.push([dice.pick(["sig", "expires_at", "unknown", "__proto__", name]), dice.pick(ODD)]);
      break;
    case 2:
      entries.splice(at, 1);
      break;
    default:
      entries[at] = [
        name,
        typeof old === "object" && old !== null ? { ...old, [`${dice.below(9)}`]: dice.pick(ODD) } : [old],
      ];
  }
  return JSON.stringify(Object.fromEntries(entries));
}

/** What a field of bytes has: sound JSON, mutated JSON, JSON changed by the byte, or anything. */
function content(dice: Dice): Uint8Array {
  const sound = dice.pick(SOUND);
  if (dice.chance(0.25)) return Buffer.from(JSON.stringify(sound));
  if (dice.chance(0.15)) return dice.bytes(dice.below(300));
  const bytes = Buffer.from(mutatedJson(dice, sound));
  return dice.chance(0.5) ? bytes : changedBytes(dice, bytes);
}

function descriptor(dice: Dice): Uint8Array {
  const path = Array.from({ length: dice.below(4) }, () =>
    dice.pick(["contract", "data", "session", "s-1", "", "💥", "x".repeat(3000)]),
  );
  return FlightDescriptor.encode({ type: dice.below(3) as 0 | 1 | 2, cmd: content(dice), path });
}

/** An Authorization header that proves nothing. */
function hostileAuthorization(dice: Dice): string {
  const text = (length: number) => Buffer.from(dice.bytes(length)).toString("base64url");
  const jwt = (header: object) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part(header)}.${part({ sub: "admin", exp: dice.pick([0, 9e9, "x"]) })}.${text(dice.below(90))}`;
  };
  return dice.pick([
    () => "",
    () => "Bearer ",
    () => `Bearer ${text(dice.below(60))}`,
    () => `bearer cdp_${text(32)}`,
    () => `Bearer ${text(TOKEN_CHARACTERS).slice(0, TOKEN_CHARACTERS)}`,
    () => `Bearer ${jwt({ alg: dice.pick(["none", "ES256", "HS256", "", null]), kid: dice.pick(ODD) })}`,
    () => `Bearer eyJ${text(TOKEN_CHARACTERS).slice(0, TOKEN_CHARACTERS)}`,
    () => `Basic ${text(dice.below(40))}`,
    () => `Basic ${"=".repeat(dice.below(20))}`,
    () => `Basic ${Buffer.from("no colon").toString("base64")}`,
    () => `Digest ${text(20)}`,
    () => text(dice.below(TOKEN_CHARACTERS)),
  ])();
}

/** A call of Flight, by what of it is mutated. */
function flightCall(dice: Dice): Pick<CallCase, "description" | "path" | "message"> {
  return dice.pick([
    () => ({ description: "ticket", path: `${FLIGHT}/DoGet`, message: Ticket.encode({ ticket: content(dice) }) }),
    () => ({ description: "descriptor", path: `${FLIGHT}/GetFlightInfo`, message: descriptor(dice) }),
    () => ({ description: "descriptor", path: `${FLIGHT}/GetSchema`, message: descriptor(dice) }),
    () => ({ description: "descriptor", path: `${FLIGHT}/PollFlightInfo`, message: descriptor(dice) }),
    () => ({
      description: "criteria",
      path: `${FLIGHT}/ListFlights`,
      message: Criteria.encode({ expression: content(dice) }),
    }),
    () => ({
      description: "action",
      path: `${FLIGHT}/DoAction`,
      message: Action.encode({ type: dice.pick(ACTIONS), body: content(dice) }),
    }),
  ])();
}

/** The call `index` of the run with `seed`. */
export function makeCall(seed: number, index: number): CallCase {
  const dice = new Dice(caseSeed(seed, index));
  const metadata = new Metadata();
  if (dice.chance(0.2)) metadata.set("authorization", hostileAuthorization(dice));
  if (dice.chance(0.3)) addOddMetadata(dice, metadata);
  if (dice.chance(0.3)) return { description: "request", listener: "control", ...controlCall(dice), metadata };
  const call = flightCall(dice);
  const message = dice.chance(0.1) ? changedBytes(dice, call.message) : call.message;
  return { listener: "flight", ...call, message, metadata };
}
