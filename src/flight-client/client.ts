/**
 * A Flight client for our own commands (`tail`, `demo`): DoGet as an async iteration of Arrow tables.
 */
import * as grpc from "@grpc/grpc-js";
import { type Table, tableFromIPC } from "apache-arrow";
import { quoted } from "../base/text.ts";
import { FlatbufferError } from "../columns/flatbuffer.ts";
import { STREAM_END } from "../columns/ipc.ts";
import { checkMessage, readSchemaMessage } from "../columns/ipc-reader.ts";
import type { OutgoingTls } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";
import { decodeFlightData, type FlightDataMessage } from "../flight/flight-data.ts";
import { pathOf } from "../flight/tickets.ts";
import {
  FlightDescriptor_DescriptorType as DescriptorType,
  type FlightDescriptor,
  type FlightInfo,
  FlightService,
} from "../grpc/generated/flight.ts";
import {
  bearerMetadata,
  errorOf,
  type Init,
  methodDefinition,
  type ServiceClient,
  serviceClient,
} from "../grpc/service.ts";
import { clientCredentials } from "../grpc/tls-credentials.ts";
import { holdClientStreams } from "../http2/http2-client-hold.ts";
import { batchTable } from "../rows/batch-table.ts";
import type { IpcMessage } from "../threads/row-read.ts";
import { CHAIN_TRAILER, type LedgerChainEnds } from "../vocabulary/chain-ends.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import { endpointsOf, placeOf, type ReadEndpoint } from "./endpoints.ts";

const WINDOW_BYTES = 4 << 20; // two batches of the usual size under way
const MESSAGE_BYTES_MAX = 64 << 20; // what the server may be configured to send, with room
/** A server that is gone without a word is noticed within 40 s. */
const KEEPALIVE = { "grpc.keepalive_time_ms": 20_000, "grpc.keepalive_timeout_ms": 20_000 };
const INFO_DEADLINE_MS = 35_000; // the server waits 30 s for a first session
/** With what the newest session is refused to clients that do not name it; it is there all the same. */
const REFUSALS_OF_NEWEST: ReadonlySet<string> = new Set(["SCHEMA_VERSION_OF_SESSION", "PARTITION_OF_SESSION"]);

/** What comes with every batch. */
export interface BatchMetadata {
  /** Id of the session; batches of a session have it. */
  session?: string;
  /** Absent: contract data. */
  dataset?: Dataset;
  /** Id of the range; batches of a range have it. */
  range?: string;
  /** Which partition the batch is of; batches of a session that consumers share have it. */
  partition?: { index: number; count: number };
  ledger_first: number;
  ledger_last: number;
  ledger_complete: number;
  closed_at: number;
  rows: number;
  cursor: string;
}

/** One record batch, decoded, as a table of its own. */
export interface ReceivedBatch {
  table: Table;
  metadata: BatchMetadata;
  /** Cursor of the batch's first row; undefined where the server has not said where its stream begins. */
  start: string | undefined;
  /** Bytes of Arrow data received, header and body. */
  bytes: number;
}

/** app_metadata of a session's FlightInfo. */
interface SessionMetadata {
  dataset?: Dataset;
  start_ledger: number;
  end_ledger: number;
  current_ledger: number;
  schema_version: number;
  include_deleted?: boolean;
  nodes?: string[];
}

/** A session, and how to read it. */
export interface SessionFlight {
  id: string;
  /** Its first ledger. */
  ledgerStart: number;
  /** The newest ledger that it has done; 0 before the first. */
  ledgerCurrent: number;
  /** The last ledger that it is to do; 0 = none. */
  ledgerEnd: number;
  schemaVersion: number;
  /** Whether its filter let removed and evicted entries through when it began. */
  includesDeleted: boolean;
  /** One for each partition of the dataset, or one where it has none. */
  tickets: Uint8Array[];
  /** Where another node runs it: Flight's location of that. */
  locations: readonly string[];
}

interface FlightClientOptions {
  windowBytes?: number;
  token?: string;
  tls?: OutgoingTls;
}

/**
 * One server over a connection of its own, opened at the first call. Calls reject with the CodedError that
 * the server threw. `close` ends the connection.
 */
export class FlightClient {
  /** What failures of the connection are explained by. */
  readonly credentials: grpc.ChannelCredentials;
  private readonly client: grpc.Client;
  private readonly calls: ServiceClient<typeof FlightService>;
  /** Sent with every call. */
  private readonly metadata: grpc.Metadata;
  /** Clients of other nodes, by location. */
  private readonly others = new Map<string, FlightClient>();
  private password: { name: string; password: string } | undefined;

  /**
   * @param address host:port
   * @param options.windowBytes what the server may send ahead of the reader
   * @param options.token an API key, or another bearer token
   * @param options.tls absent: no TLS
   */
  constructor(
    address: string,
    private readonly options: FlightClientOptions = {},
  ) {
    const { windowBytes = WINDOW_BYTES, token, tls } = options;
    this.metadata = bearerMetadata(token);
    holdClientStreams();
    this.credentials = clientCredentials(address, tls);
    this.client = new grpc.Client(address, this.credentials, {
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc-node.flow_control_window": windowBytes,
      "grpc.use_local_subchannel_pool": 1, // a client that pauses must not hold back another on the same connection
      ...KEEPALIVE,
    });
    this.calls = serviceClient(this.client, FlightService);
  }

  /**
   * A client of the same caller for a location that this server has named, kept until this one is closed.
   * @throws CodedError UNAVAILABLE / LOCATION for one that is none, or that would have credentials of a TLS connection sent in clear
   */
  at(location: string): FlightClient {
    const place = placeOf(location);
    const { tls, token } = this.options;
    const isSecret = token !== undefined || this.password !== undefined;
    if (place === undefined || (isSecret && tls !== undefined && !place.tls)) {
      const why =
        place === undefined ? "is not grpc+tcp://host:port" : "has no TLS, and credentials came for one that has";
      throw new CodedError("UNAVAILABLE", "LOCATION", `the location ${quoted(location)} ${why}`);
    }
    const known = this.others.get(location);
    if (known !== undefined) return known;
    const ownTls = place.tls ? (tls ?? {}) : undefined;
    const other = new FlightClient(place.address, { ...this.options, tls: ownTls });
    other.password = this.password;
    this.others.set(location, other);
    return other;
  }

  /** Resolves when the server answers, and knows who is calling. @throws CodedError UNAVAILABLE after the time is up */
  async ready(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.client.waitForReady(Date.now() + timeoutMs, (error) => {
        if (error === undefined) resolve();
        else reject(new CodedError("UNAVAILABLE", "SERVER_UNREACHABLE", `no Flight server answers: ${error.message}`));
      });
    });
    const { password } = this;
    if (password !== undefined && !this.metadata.get("authorization").length) {
      await this.login(password.name, password.password);
    }
  }

  /** Turns name and password into the token that later calls carry. @throws CodedError UNAUTHENTICATED */
  async login(name: string, password: string, signal?: AbortSignal): Promise<void> {
    this.password = { name, password };
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`);
    const call = this.calls.handshake({ metadata, deadlineMs: INFO_DEADLINE_MS, signal });
    call.end();
    try {
      for await (const { payload } of call as AsyncIterable<{ payload: Uint8Array }>) {
        this.metadata.set("authorization", `Bearer ${Buffer.from(payload).toString("utf8")}`);
      }
    } catch (thrown) {
      throw isServiceError(thrown) ? errorOf(thrown) : CodedError.from(thrown);
    }
  }

  /** The ticket of the flight at that path. */
  async ticketOf(path: string[]): Promise<Uint8Array> {
    const [ticket] = ticketsOf(await this.infoOf(path));
    if (ticket !== undefined) return ticket;
    throw new CodedError("NOT_FOUND", "NO_ENDPOINT", `flight ${path.join("/")} has no endpoint`);
  }

  /**
   * A session with the tickets of a dataset's partitions (one where it has none): the one with that id, or the newest that
   * has the dataset, whatever its schema version. Where there is none yet, it waits for the first as long as the server does.
   * @throws CodedError NOT_FOUND / SESSION_UNKNOWN, NO_SESSION
   */
  async session(id?: string, signal?: AbortSignal, dataset: Dataset = DATASET_DEFAULT): Promise<SessionFlight> {
    const info =
      id === undefined
        ? ((await this.newestInfo(dataset, signal)) ?? (await this.firstInfo(dataset, signal)))
        : await this.infoOf(pathOf(dataset, id), signal);
    const { end_ledger, current_ledger, start_ledger, schema_version, include_deleted } = aboutSession(info);
    return {
      id: id ?? info.flightDescriptor?.path[2] ?? "",
      ledgerStart: start_ledger,
      ledgerCurrent: current_ledger,
      ledgerEnd: end_ledger,
      schemaVersion: schema_version,
      includesDeleted: include_deleted === true,
      tickets: ticketsOf(info),
      locations: endpointsOf(info)[0]?.locations ?? [],
    };
  }

  /**
   * The endpoints of a range's parts; their rows, in this order, are the range's.
   * @param range as docs/flight.md has it: `{"start_ledger":…,"end_ledger":…,…}`
   */
  async range(range: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<ReadEndpoint[]> {
    const cmd = Buffer.from(JSON.stringify(range));
    return endpointsOf(await this.getInfo({ type: DescriptorType.CMD, cmd }, signal));
  }

  /** Where a ticket of one endpoint is read, and whom to ask again: the nodes that serve it, or may run its session next. */
  async whereIs(
    ticket: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{ locations: readonly string[]; nodes: readonly string[] }> {
    const info = await this.getInfo({ type: DescriptorType.CMD, cmd: ticket }, signal);
    const endpoints = endpointsOf(info);
    const locations = endpoints.length === 1 ? endpoints[0]!.locations : [];
    return { locations, nodes: aboutSession(info).nodes ?? locations };
  }

  /**
   * The network that a range's rows belong to.
   * @param range as `range` takes it
   */
  async networkOfRange(range: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<string> {
    const cmd = Buffer.from(JSON.stringify(range));
    const { schema } = await this.getInfo({ type: DescriptorType.CMD, cmd }, signal);
    readSchemaMessage(schema); // apache-arrow's reader trusts its input
    return tableFromIPC(Buffer.concat([schema, STREAM_END])).schema.metadata.get("network_passphrase") ?? "";
  }

  private infoOf(path: string[], signal?: AbortSignal): Promise<FlightInfo> {
    return this.getInfo({ type: DescriptorType.PATH, path }, signal);
  }

  private async getInfo(descriptor: Init<FlightDescriptor>, signal?: AbortSignal): Promise<FlightInfo> {
    const options = { deadlineMs: INFO_DEADLINE_MS, metadata: this.metadata, signal };
    return await this.calls.getFlightInfo(descriptor, options);
  }

  /** FlightInfo of the newest session with that dataset, which is the first that ListFlights names. */
  private async newestInfo(dataset: Dataset, signal?: AbortSignal): Promise<FlightInfo | undefined> {
    const options = { deadlineMs: INFO_DEADLINE_MS, metadata: this.metadata, signal };
    const call = this.calls.listFlights({}, options);
    try {
      for await (const info of call as AsyncIterable<FlightInfo>) {
        if ((aboutSession(info).dataset ?? DATASET_DEFAULT) === dataset) return info;
      }
      return undefined;
    } catch (thrown) {
      throw isServiceError(thrown) ? errorOf(thrown) : CodedError.from(thrown);
    } finally {
      call.cancel();
    }
  }

  /** FlightInfo of the newest session, or of the first to come where there is none yet. */
  private async firstInfo(dataset: Dataset, signal?: AbortSignal): Promise<FlightInfo> {
    try {
      // a flight's path names its session only where the request's did
      await this.infoOf(pathOf(dataset), signal);
    } catch (thrown) {
      if (!REFUSALS_OF_NEWEST.has(CodedError.from(thrown).reason)) throw thrown;
    }
    const info = await this.newestInfo(dataset, signal);
    if (info !== undefined) return info;
    throw new CodedError("NOT_FOUND", "NO_SESSION", "the session has been deleted");
  }

  /**
   * Every batch behind the ticket. Leaving the loop cancels the call.
   * @param onChain told at the end of a range how its ledgers are chained, where the server knows it
   * @throws CodedError with the server's status
   */
  async *doGet(
    ticket: Uint8Array,
    signal?: AbortSignal,
    onChain?: (chain: LedgerChainEnds) => void,
  ): AsyncGenerator<ReceivedBatch> {
    const method = methodDefinition(FlightService, FlightService.methods.doGet);
    const call = this.client.makeServerStreamRequest<{ ticket: Uint8Array }, FlightDataMessage>(
      method.path,
      method.requestSerialize,
      decodeFlightData,
      { ticket },
      this.metadata,
    );
    const cancel = () => {
      call.cancel();
      call.destroy(); // a loop that is busy with a batch when this happens would wait for the next one for ever
    };
    signal?.addEventListener("abort", cancel, { once: true });
    let start: string | undefined;
    call.once("metadata", (headers) => {
      start = headers.get("cursor")[0]?.toString();
    });
    let chain: string | undefined;
    call.once("status", ({ metadata }) => {
      chain = metadata.get(CHAIN_TRAILER)[0]?.toString();
    });
    /** The schema, and the dictionaries that follow it. */
    const opening: IpcMessage[] = [];
    try {
      for await (const message of call as AsyncIterable<FlightDataMessage>) {
        if (message.dataHeader === undefined) continue;
        const body = message.dataBody ?? new Uint8Array(0);
        assertSound(message.dataHeader, body.length);
        const part = { header: message.dataHeader, body };
        if (message.appMetadata === undefined) {
          opening.push(part);
          continue;
        }
        const metadata = JSON.parse(Buffer.from(message.appMetadata).toString("utf8")) as BatchMetadata;
        const table = batchTable(opening, part);
        yield { table, metadata, start, bytes: message.dataHeader.length + body.length };
        start = metadata.cursor;
      }
      if (chain !== undefined) onChain?.(JSON.parse(chain) as LedgerChainEnds);
    } catch (thrown) {
      if (signal?.aborted) return;
      throw isServiceError(thrown) ? errorOf(thrown) : CodedError.from(thrown);
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  close(): void {
    for (const other of this.others.values()) other.close();
    this.client.close();
  }
}

function aboutSession({ appMetadata }: FlightInfo): SessionMetadata {
  return JSON.parse(Buffer.from(appMetadata).toString("utf8")) as SessionMetadata;
}

function ticketsOf({ endpoint }: FlightInfo): Uint8Array[] {
  return endpoint.flatMap(({ ticket }) => (ticket === undefined ? [] : [ticket.ticket]));
}

/** apache-arrow's reader trusts its input. @throws CodedError DATA_LOSS / MESSAGE_UNREADABLE */
function assertSound(header: Uint8Array, bodyBytes: number): void {
  try {
    checkMessage(header, bodyBytes);
  } catch (thrown) {
    if (!(thrown instanceof FlatbufferError)) throw thrown;
    throw new CodedError(
      "DATA_LOSS",
      "MESSAGE_UNREADABLE",
      `the server sent ${header.length} B that are no Arrow IPC message: ${thrown.message}`,
    );
  }
}

function isServiceError(thrown: unknown): thrown is grpc.ServiceError {
  return thrown instanceof Error && typeof (thrown as Partial<grpc.ServiceError>).code === "number";
}
