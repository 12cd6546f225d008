/** Rows over HTTP: `GET /v1/rows` of a range, `GET /v1/sessions/{id}/rows` of a session (docs/http.md). */
import { accepts } from "hono/accepts";
import type { RowReads } from "../engine/row-reads.ts";
import { CodedError } from "../error.ts";
import { refuseOtherMethods } from "../ops/http-errors.ts";
import type { OpsContext, OpsHono } from "../ops/ops-hono.ts";
import { addressOf } from "../ops/request-path.ts";
import { ENCODINGS, encoded } from "./content-encoding.ts";
import { openApi } from "./open-api.ts";
import { rowBody } from "./row-body.ts";
import { rowChunks } from "./row-chunks.ts";
import { ACCEPTED_TYPES, MEDIA_TYPES, type RowFormat, rowFormatOf } from "./row-format.ts";
import type { RowFormatter } from "./row-formatter.ts";
import { decodedOf, formatOf, rangeTicket, sessionTicket } from "./row-query.ts";
import type { RowTickets } from "./row-tickets.ts";

const FIRST_MS = 500; // an error that comes within it has a status of its own; a live stream answers after it at the latest

/** What the routes work with. */
export interface RowRoutesOptions {
  reads: Pick<RowReads, "read">;
  formatter: RowFormatter;
  /** Where callers are asked who they are. */
  tickets?: RowTickets;
  /** HTTP_STREAMS_MAX, or fewer where memory has room for fewer. */
  streamsMax: number;
  /** Whether the server is on its way down. */
  isStopping: () => boolean;
  version: string;
}

/** Adds the routes, and /openapi.json, which describes them. */
export function addRowRoutes(app: OpsHono, options: RowRoutesOptions): void {
  const answers = new RowAnswers(options);
  app.get("/openapi.json", (context) => context.json(openApi(options.version)));
  app.get("/v1/rows", (context) => answers.rows(context, rangeTicket));
  app.get("/v1/sessions/:id/rows", (context) =>
    answers.rows(context, (query) => sessionTicket(context.req.param("id"), query)),
  );
  for (const path of ["/v1/rows", "/v1/sessions/:id/rows"]) {
    app.post(path, (context) => answers.ticket(context));
    refuseOtherMethods(
      app,
      path,
      "GET, HEAD, POST",
      "give rows, their headers, and the same address with a ticket in it",
    );
  }
}

class RowAnswers {
  private streams = 0;

  constructor(private readonly options: RowRoutesOptions) {}

  /** The same address with a ticket in it. */
  ticket(context: OpsContext): Response {
    const address = addressOf(context.req.raw);
    const identity = context.get("identity");
    const { tickets } = this.options;
    if (tickets === undefined || identity === undefined)
      return context.json({ url: address.pathname + address.search });
    return context.json(tickets.issue(address, identity), 201);
  }

  async rows(context: OpsContext, ticketOf: (query: URLSearchParams) => Uint8Array): Promise<Response> {
    const accepted = accepts(context, { header: "Accept", supports: [...ACCEPTED_TYPES], default: ACCEPTED_TYPES[0]! });
    const { searchParams: query } = addressOf(context.req.raw);
    const format = rowFormatOf(formatOf(query), accepted);
    const lastEvent = format === "sse" ? context.req.header("last-event-id") : undefined;
    if (lastEvent !== undefined) query.set("from", lastEvent);
    const ticket = ticketOf(query);
    const decoded = decodedOf(query, format);
    const encoding = ENCODINGS.find((each) => each === preferredEncoding(context));
    const headers = headersOf(format, encoding);
    return this.stream(context, { ticket, format, decoded, encoding, headers, goesOn: lastEvent !== undefined });
  }

  private async stream(
    context: OpsContext,
    { ticket, format, decoded, encoding, headers, goesOn }: Wanted,
  ): Promise<Response> {
    const { reads, formatter, isStopping } = this.options;
    this.enter();
    const [identity, caller] = [context.get("identity"), context.get("caller")];
    const read = reads.read({ ticket, peer: context.env.peer, identity, caller });
    const over = () => {
      context.env.stayOpen?.(false);
      read.close();
      this.streams -= 1;
    };
    let isHandedOver = false;
    try {
      context.req.raw.signal.addEventListener("abort", () => read.close());
      await read.opened();
      const first = await read.first(FIRST_MS);
      if (goesOn && first === "end" && !isStopping()) return new Response(null, { status: 204 });
      if (read.cursor !== undefined) headers.set("Cursor", read.cursor);
      if (context.req.method === "HEAD") return new Response(null, { headers });
      const chunks = rowChunks(read, { format, decoded, formatter, isStopping });
      const pieces = encoding === undefined ? chunks : encoded(chunks, encoding);
      context.env.stayOpen?.(true);
      isHandedOver = true;
      return new Response(rowBody(pieces, { failed: read.failed, over }), { headers });
    } finally {
      if (!isHandedOver) over();
    }
  }

  private enter(): void {
    const { streamsMax } = this.options;
    if (this.streams >= streamsMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "HTTP_STREAMS_MAX",
        `${this.streams} clients read rows over HTTP, and ${streamsMax} is the limit (HTTP_STREAMS_MAX, as far as MAX_MEMORY_MB has room): try again, or read over Flight`,
      );
    }
    this.streams += 1;
  }
}

/** What a request has come to. */
interface Wanted {
  ticket: Uint8Array;
  format: RowFormat;
  decoded: boolean;
  encoding: (typeof ENCODINGS)[number] | undefined;
  headers: Headers;
  /** It is a browser's that comes back with the last cursor that it has. */
  goesOn: boolean;
}

function preferredEncoding(context: OpsContext): string {
  return accepts(context, { header: "Accept-Encoding", supports: [...ENCODINGS], default: "identity" });
}

function headersOf(format: RowFormat, encoding: string | undefined): Headers {
  const headers = new Headers({
    "Content-Type": MEDIA_TYPES[format].type,
    "Cache-Control": "no-store",
    Vary: "Accept, Accept-Encoding",
    "X-Accel-Buffering": "no", // nginx would keep rows back until it has a buffer full
  });
  if (encoding !== undefined) headers.set("Content-Encoding", encoding);
  return headers;
}
