/** The datasets as Flight sees them: sessions that many read together, and ranges that one client reads for itself. */

import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { quoted, shortened } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import type { Hub } from "../delivery/hub.ts";
import type { HubStream } from "../delivery/hub-stream.ts";
import { RangePlaces } from "../delivery/range-places.ts";
import { SessionFeed } from "../delivery/session-feed.ts";
import { CodedError } from "../error.ts";
import {
  FlightDescriptor_DescriptorType as DescriptorType,
  type FlightDescriptor,
  type FlightInfo,
  type PollInfo,
} from "../grpc/generated/flight.ts";
import type { Init } from "../grpc/service.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import { contractDataActions } from "./actions.ts";
import type { ContractDataOptions } from "./contract-data-options.ts";
import { ContractDataStream } from "./contract-data-stream.ts";
import { checkHere, nodesOf } from "./elsewhere.ts";
import type { FlightDataMessage } from "./flight-data.ts";
import { rangeInfo, sessionInfo, type Totals, timestampOf } from "./flight-info.ts";
import { JsonObject } from "./json-object.ts";
import { NameLimits } from "./name-limits.ts";
import { NamedStreams } from "./named-stream.ts";
import { checkDataset, partOfStream } from "./partitions.ts";
import { parsePoll } from "./poll.ts";
import type { CallContext, FlightAction, FlightProducer, OutgoingStream } from "./producer.ts";
import { RangeFlights, TICKET_TTL_MS } from "./range-flights.ts";
import { filterOfRange, pinned, type RangeTicket } from "./range-ticket.ts";
import { hasDictionaries, type SchemaForms, Schemas } from "./schemas.ts";
import { checkRangeScope, checkSessionScope, readableSessions } from "./scope.ts";
import { SlowClients } from "./slow-clients.ts";
import { parseDescriptor, parseTicket, pathOf, type ReadRequest, type SessionRead } from "./tickets.ts";
import { EmptyStream, WaitingStream } from "./waiting-stream.ts";

const SESSION_WAIT_MS = 30_000; // the legacy ticket may come before the session; nobody waits longer without a word
const POLL_WAIT_MS = 10_000; // PollFlightInfo answers at a change, or after this long
const POLL_STEP_MS = 50; // between looks for a change; a poll is for people and schedulers
const WANTED_SHOWN_MAX = 400; // characters of what a ticket asks for that an error repeats: all columns' names
const ENDPOINTS_AT_ONCE_MAX = 64; // a FlightInfo with more takes milliseconds, and waits for a turn of the event loop

/** Answers Flight's calls out of the hub's streams. Runs on the data-plane thread. */
export class ContractDataProducer implements FlightProducer {
  readonly actions: readonly FlightAction[];
  readonly flights = new RangeFlights();
  readonly schemas = new Schemas();
  /** The open calls of callers who have proved a name. */
  readonly named = new NamedStreams();
  private readonly nameLimits = new NameLimits();
  private readonly turns = new Turns();
  private readonly places: RangePlaces;
  private readonly slowClients: SlowClients;

  constructor(readonly options: ContractDataOptions) {
    this.actions = contractDataActions(this);
    this.places = new RangePlaces(options.hub, options.main, options.nowMs);
    this.slowClients = new SlowClients(options, this.places);
  }

  /** Ends clients that hold others back. Call it a few times a grace period. */
  endSlowClients(): void {
    this.slowClients.end();
    this.flights.sweep();
  }

  async listFlights(criteria: Uint8Array, context: CallContext): Promise<Iterable<Init<FlightInfo>>> {
    const selects = await this.selection(criteria, context);
    const streams = this.options.hub.sessions().reverse().filter(selects);
    const totals = await this.totalsOf(streams);
    return streams.flatMap((stream) =>
      (stream.opening.datasets ?? [DATASET_DEFAULT]).map((dataset) =>
        this.sealed(sessionInfo(stream, this.formsOf(stream, dataset), { dataset }, totals.get(stream.opening.id))),
      ),
    );
  }

  async getFlightInfo(descriptor: FlightDescriptor, context: CallContext): Promise<Init<FlightInfo>> {
    const read = parseDescriptor(descriptor);
    if (read.kind === "range") return this.rangeInfo(read.range, descriptor, context);
    return this.sessionInfo(await this.session(read, context), read, descriptor);
  }

  /** Ranges are ready at once; a session is complete when it is over. */
  async pollFlightInfo(descriptor: FlightDescriptor, context: CallContext): Promise<Init<PollInfo>> {
    const { read, seen } = parsePoll(descriptor);
    if (read.kind === "range") {
      const info = await this.rangeInfo(read.range, descriptor, context);
      return { info, progress: 1, expirationTime: info.endpoint?.[0]?.expirationTime };
    }
    const stream = await this.session(read, context);
    const { opening, cell } = stream;
    const until = this.options.nowMs() + POLL_WAIT_MS;
    while (seen !== undefined && !stream.over && cell.get("ledgerCurrent") === seen) {
      if (context.signal.aborted || this.options.nowMs() >= until) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_STEP_MS));
    }
    const failed = stream.error;
    if (failed !== undefined) throw failed;
    const info = await this.sessionInfo(stream, read, descriptor);
    if (stream.over) return { info, progress: 1 };
    const current = cell.get("ledgerCurrent");
    const { dataset, shard } = partOf(read);
    const named = dataset === DATASET_DEFAULT ? undefined : dataset;
    const cmd = Buffer.from(JSON.stringify({ session: opening.id, dataset: named, shard, poll: current }));
    const ledgers = opening.ledgerEnd - opening.ledgerStart + 1;
    return {
      info,
      flightDescriptor: { type: DescriptorType.CMD, cmd },
      progress: opening.ledgerEnd === 0 ? undefined : Math.max(0, current + 1 - opening.ledgerStart) / ledgers,
      expirationTime: timestampOf(Date.now() + TICKET_TTL_MS),
    };
  }

  async getSchema(descriptor: FlightDescriptor, context: CallContext): Promise<Uint8Array> {
    const read = parseDescriptor(descriptor);
    if (read.kind === "range") return this.formsOfRange(read.range).encapsulated;
    if (read.kind === "newest") return this.legacyForms(read.dataset).encapsulated;
    return this.formsOf(await this.session(read, context), read.dataset).encapsulated;
  }

  async doGet(ticket: Uint8Array, context: CallContext): Promise<OutgoingStream> {
    return this.named.of(await this.begin(ticket, context), context.identity);
  }

  private async begin(ticket: Uint8Array, context: CallContext): Promise<OutgoingStream> {
    const read = parseTicket(this.options.seal?.open(ticket) ?? ticket, context.asks);
    this.nameLimits.enter(context.identity, read.kind === "range" ? "range" : "session", context.signal);
    if (read.kind === "newest" && this.options.hub.newest(read.dataset) === undefined) {
      return new WaitingStream(messagesOf(this.legacyForms(read.dataset)), async () =>
        this.sessionStream(await this.session(read, context), read, context),
      );
    }
    const stream: OutgoingStream =
      read.kind === "range"
        ? await this.rangeStream(read.range, context)
        : this.sessionStream(await this.session(read, context), read, context);
    tellBeginning(stream, context);
    return stream;
  }

  /** Looks how far clients are behind. Call it every second or so. */
  measureLag(): void {
    const { hub, totals } = this.options;
    let ledgersMax = 0;
    let bytes = 0;
    for (const { parts } of hub.all()) {
      for (const { lag } of parts.flatMap((part) => [...part.clients])) {
        ledgersMax = Math.max(ledgersMax, lag.ledgers);
        bytes += lag.bytes;
      }
    }
    totals.set("lagLedgersMax", ledgersMax);
    totals.set("lagBytes", bytes);
  }

  /** The session that is asked for, which the caller may read. @throws CodedError as `find`, PERMISSION_DENIED / SCOPE */
  async session(read: Exclude<ReadRequest, { kind: "range" }>, context: CallContext): Promise<HubStream> {
    const stream = await this.find(read, context);
    const summaryOf = async (id: string) => (await this.options.main.ask("sessions", { id })).sessions;
    await checkSessionScope(context.identity, stream.opening.id, summaryOf);
    return stream;
  }

  /**
   * The session that is asked for.
   * @throws CodedError NOT_FOUND / SESSION_UNKNOWN, NO_SESSION; FAILED_PRECONDITION when it is encoded otherwise
   */
  private async find(read: Exclude<ReadRequest, { kind: "range" }>, context: CallContext): Promise<HubStream> {
    const { hub } = this.options;
    if (read.kind === "session") {
      const stream = hub.session(read.id) ?? (await this.afterMainThread(read.id)).session(read.id);
      if (stream === undefined) {
        throw new CodedError(
          "NOT_FOUND",
          "SESSION_UNKNOWN",
          `no session has the id ${quoted(read.id)}: StartProcessing answers with one, ListFlights has them all`,
        );
      }
      checkDataset(stream, read.dataset);
      assertWanted(stream, read);
      return stream;
    }
    const { dataset } = read;
    const known = hub.newest(dataset);
    if (known !== undefined) await this.afterMainThread(known.opening.id);
    const stream = await hub.awaitNewest(dataset, SESSION_WAIT_MS, context.signal);
    if (stream === undefined && hub.isEnding) {
      throw new CodedError("UNAVAILABLE", "SERVER_STOPPING", "the server is shutting down: no session will start");
    }
    if (stream === undefined) {
      throw new CodedError(
        "NOT_FOUND",
        "NO_SESSION",
        `there is no session, and none was started within ${SESSION_WAIT_MS / 1000} s: call StartProcessing`,
      );
    }
    const { schemaVersion, id, partitions } = stream.opening;
    if (partitions !== undefined) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "PARTITION_OF_SESSION",
        `the newest session, ${id}, is shared out to ${partitions} partitions, and a client that does not name a session may read one of them for all: name it, PATH ${JSON.stringify(pathOf(dataset, id))} or {"session":"${id}"}, and read all ${partitions} endpoints that GetFlightInfo answers with`,
      );
    }
    if (dataset === DATASET_DEFAULT && schemaVersion !== 1) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "SCHEMA_VERSION_OF_SESSION",
        `this ticket means schema version 1, and session ${id} was started with ${schemaVersion}: name the session in the ticket, {"session":"${id}"}`,
      );
    }
    return stream;
  }

  /**
   * The hub with every session that StartProcessing has answered for: its answer may reach a client, and that client
   * this thread, before the message that opens the stream. An answer of the main thread comes behind such messages.
   */
  private async afterMainThread(id: string): Promise<Hub> {
    try {
      await this.options.main.ask("sessions", { id });
    } catch (thrown) {
      if (CodedError.from(thrown).code !== "NOT_FOUND") throw thrown;
    }
    return this.options.hub;
  }

  private formsOf(stream: HubStream, dataset: Dataset): SchemaForms {
    return this.schemas.get(stream.partsOf(dataset)[0]!.opening);
  }

  private legacyForms(dataset: Dataset): SchemaForms {
    const newest = this.options.hub.newest(dataset)?.partsOf(dataset)[0]?.opening;
    if (newest?.schemaVersion === 1) return this.schemas.get(newest);
    return this.schemas.get({ dataset, schemaVersion: 1, networkPassphrase: this.options.networkPassphrase });
  }

  private formsOfRange(range: RangeTicket): SchemaForms {
    const { networkPassphrase } = this.options;
    return this.schemas.get({ ...range, networkPassphrase, dictionaries: this.dictionariesOf(range) });
  }

  /** Whether a range has dictionaries: as its ticket says, or else the server's setting. */
  private dictionariesOf({ dictionaries }: RangeTicket): boolean {
    return dictionaries ?? this.options.dictionaries;
  }

  private sessionStream(stream: HubStream, read: ReadRequest, { peer }: CallContext): ContractDataStream {
    checkHere(stream);
    const { hub, main, totals, nowMs, told } = this.options;
    const from = read.kind === "session" ? (read.from ?? "oldest") : "oldest";
    const { dataset, shard } = partOf(read);
    const part = partOfStream(stream, dataset, shard);
    const feed = new SessionFeed(part, from, hub, main, nowMs);
    return new ContractDataStream(feed, messagesOf(this.formsOf(stream, dataset)), peer, totals, told);
  }

  private async rangeStream(range: RangeTicket, { peer, signal, identity }: CallContext): Promise<OutgoingStream> {
    checkRangeScope(identity, range);
    this.flights.check(range);
    const opening = messagesOf(this.formsOfRange(range));
    const { dataset, ledgerStart, ledgerEnd, assets, schemaVersion, columns, compression, batchRows, from } = range;
    if (from !== undefined && ledgerEnd !== 0 && from.ledger > ledgerEnd) return new EmptyStream(opening);
    const { totals, told } = this.options;
    const asked = {
      id: range.id ?? randomUUID(),
      start: from ?? { ledger: ledgerStart, row: 0 },
      ledgerEnd,
      dataset,
      filter: filterOfRange(range),
      assets,
      schemaVersion,
      columns,
      dictionaries: this.dictionariesOf(range),
      compression,
      batchRows,
    };
    const feed = await this.places.open(asked, signal);
    const stream: ContractDataStream = new ContractDataStream(feed, opening, peer, totals, told, (outcome) =>
      this.flights.leave(range, stream, outcome === "completed"),
    );
    this.flights.join(range, stream);
    if (signal.aborted) stream.close("cancelled");
    return stream;
  }

  private async sessionInfo(
    stream: HubStream,
    read: ReadRequest,
    descriptor: FlightDescriptor,
  ): Promise<Init<FlightInfo>> {
    const totals = await this.totalsOf([stream]);
    const nodes = await nodesOf(stream, this.options.main);
    const part = partOf(read);
    const total = totals.get(stream.opening.id);
    return this.sealed(sessionInfo(stream, this.formsOf(stream, part.dataset), part, total, descriptor, nodes));
  }

  /** Totals of the sessions that are over, by id. The main thread knows what they did before the last start. */
  private async totalsOf(streams: readonly HubStream[]): Promise<Map<string, Totals>> {
    const over = streams.filter(({ log }) => log.ending !== undefined && log.ending.error === undefined);
    if (over.length === 0) return new Map();
    const ids = new Set(over.map(({ opening }) => opening.id));
    const { sessions } = await this.options.main.ask("sessions", {});
    return new Map(
      sessions
        .filter(({ session }) => ids.has(session))
        .map(({ session, rows, batch_bytes }) => [session, { rows, bytes: batch_bytes }]),
    );
  }

  private async rangeInfo(
    asked: RangeTicket,
    descriptor: FlightDescriptor,
    { announce, signal, identity }: CallContext,
  ): Promise<Init<FlightInfo>> {
    checkRangeScope(identity, asked);
    const forms = this.formsOfRange(asked);
    const { source, ledgerLatest, defaultFilter, locations } = await this.options.main.ask("rangeSource", {});
    if (ledgerLatest !== undefined && asked.ledgerEnd > ledgerLatest) {
      throw new CodedError(
        "OUT_OF_RANGE",
        "LEDGER_AFTER_SOURCE",
        `ledgers up to ${asked.ledgerEnd} were asked for, and ${source} ends with ${ledgerLatest} for now: end there, or follow it with end_ledger 0`,
      );
    }
    const range = {
      ...pinned(asked, defaultFilter),
      dictionaries: asked.schemaVersion === 1 ? undefined : this.dictionariesOf(asked), // there are none in version 1
      id: randomUUID(),
      expiresAtUnixMs: Date.now() + TICKET_TTL_MS,
    };
    if (range.endpoints > ENDPOINTS_AT_ONCE_MAX) await this.turns.next();
    if (signal.aborted) throw new CodedError("CANCELLED", "CLIENT_LEFT", "the client has left");
    return this.sealed(rangeInfo(range, forms, (part) => this.flights.totalsOf(part), descriptor, locations, announce));
  }

  private sealed(info: Init<FlightInfo>): Init<FlightInfo> {
    return this.options.seal?.sealInfo(info) ?? info;
  }

  /** `{"state":"RUNNING","session":"<start of an id>"}`, both optional; nothing at all selects every session. */
  private async selection(criteria: Uint8Array, { identity }: CallContext): Promise<(stream: HubStream) => boolean> {
    const json =
      criteria.length === 0
        ? new JsonObject({}, "criteria")
        : JsonObject.parse(Buffer.from(criteria).toString("utf8"), "criteria", '{"state":"RUNNING"}');
    const state = json.oneOf("state", ["STARTING", "RUNNING", "STOPPING", "STOPPED", "ERROR"]);
    const prefix = json.text("session") ?? "";
    json.end();
    const { sessions } = await this.options.main.ask("sessions", {}); // asked in any case: see afterMainThread
    const states = new Map(readableSessions(identity, sessions).map((session) => [session.session, session.state]));
    return ({ opening: { id } }) =>
      id.startsWith(prefix) && states.has(id) && (state === undefined || states.get(id) === state);
  }
}

function messagesOf({ header, dictionaries }: SchemaForms): FlightDataMessage[] {
  return [{ dataHeader: header }, ...dictionaries];
}

/** Where the first batch begins, in the response headers: a client needs it to go on from within that batch. */
function tellBeginning(stream: OutgoingStream, context: CallContext): void {
  const cursor = stream.cursor?.();
  if (cursor === undefined) return;
  const headers = new grpc.Metadata();
  headers.set("cursor", cursor);
  context.sendHeaders(headers);
}

function partOf(read: ReadRequest): Omit<SessionRead, "kind" | "id"> {
  if (read.kind === "range") return { dataset: read.range.dataset };
  return read.kind === "newest" ? { dataset: read.dataset } : read;
}

/** A session's encoding is fixed when it starts. */
function assertWanted(stream: HubStream, { id, dataset, wants = {} }: SessionRead): void {
  const { opening } = stream.partsOf(dataset)[0]!;
  const compare = [
    ["schema_version", wants.schemaVersion, opening.schemaVersion],
    ["columns", wants.columns?.join(","), opening.columns?.join(",") ?? "all"],
    ["dictionaries", wants.dictionaries, hasDictionaries(opening)],
    ["batch_size", wants.batchRows, opening.batchRows],
    ["compression", wants.compression, opening.compression],
  ] as const;
  for (const [key, wanted, is] of compare) {
    if (wanted === undefined || wanted === is) continue;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "SESSION_ENCODING",
      `session ${id} was started with ${key} ${is}, and the request asks for ${shortened(String(wanted), WANTED_SHOWN_MAX)}: leave ${key} out, or read a range, which each client encodes as it likes`,
    );
  }
}
