import { unlessAborted } from "../base/unless-aborted.ts";
import { type Address, dialTarget } from "../config/address.ts";
import { advertisedAddress } from "../config/advertised.ts";
import { containerMemoryLimit } from "../config/container-memory.ts";
import type { Config } from "../config/schema.ts";
import { type MemberEndpoint, membersOf } from "../config/source-endpoint.ts";
import { integer } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import type { Reason } from "../reasons/registry.ts";
import { asksWho } from "../security/access.ts";
import { fitMemory } from "../server/fit-memory.ts";
import { safeListening } from "../server/safe-listening.ts";
import { type RunningProcessor, startServer } from "../server/server.ts";
import { windowBytesOf } from "../server/source-windows.ts";
import { Lake } from "../sources/lake/lake.ts";
import { openSource } from "../sources/open.ts";
import type { LedgerSource } from "../sources/source.ts";
import { type SourceAccess, sourceAccess } from "../sources/source-access.ts";
import { openTraces } from "../tracing/open-traces.ts";
import { defineCommand } from "./command.ts";
import { CONFIG_FLAGS, configOf } from "./config-flags.ts";
import { option } from "./flags.ts";
import { networkOfLedgers } from "./network-of-ledgers.ts";
import { PROGRAM } from "./program.ts";

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Listens until SIGINT or SIGTERM, then lets clients finish and ends with 0; a second signal ends it at once. Settings come from flags, then the environment, then a configuration file.",
  flags: {
    ...CONFIG_FLAGS,
    "start-ledger": option({
      placeholder: "LEDGER",
      type: integer(1, LEDGER_SEQUENCE_MAX),
      summary: "Start a session at this ledger as soon as the server is up.",
    }),
    "end-ledger": option({
      placeholder: "LEDGER",
      type: integer(0, LEDGER_SEQUENCE_MAX),
      summary: "Last ledger of that session; 0 or nothing = continuous.",
    }),
  },
  examples: [
    {
      command: `${PROGRAM} serve --source-endpoint ./sample/lake --start-ledger 58751994 --end-ledger 58752000`,
      meaning: "serve the ledgers of a lake folder",
    },
    {
      command: `SOURCE_ENDPOINT=localhost:50053 NETWORK_PASSPHRASE='Public Global Stellar Network ; September 2015' ${PROGRAM} serve`,
      meaning: "serve what a raw-ledger service streams",
    },
  ],
  async run(context) {
    const loaded = configOf(context);
    const { origins } = loaded;
    const interrupted = context.interrupt();
    const format = context.stderr.isTTY ? "pretty" : "json";
    const log = createLogger({ level: loaded.values.debug ? "debug" : loaded.values.logLevel, format });
    const endToggle = toggleBySignal(log);
    const values: Config = {
      ...loaded.values,
      ...fitMemory(loaded, containerMemoryLimit(), log),
      ...safeListening(loaded, log),
    };
    const access = sourceAccess(values);
    const service = { name: values.serviceName, version: values.serviceVersion };
    const traces = await openTraces(context.env, service, (line) => log.warn("the trace exporter", { line }));
    let source: LedgerSource | undefined;
    let processor: RunningProcessor | undefined;
    try {
      const opened = openSource(values.sourceEndpoint, access, windowBytesOf(values)).catch(refuseSetting);
      source = await unlessAborted(opened, interrupted);
      const condition = source.condition?.();
      if (condition?.well === false) log.warn("a member of the source is away", { why: condition.message });
      if (origins.networkPassphrase !== "default") await checkNetwork(source, values.networkPassphrase);
      const config: Config =
        origins.networkPassphrase === "default"
          ? { ...values, ...(await unlessAborted(networkOf(source, values, access, log), interrupted)) }
          : values;
      processor = await startServer(config, source, log, {
        ownsProcess: true,
        traces,
        auditLog: createLogger({ level: "info", format }),
      });
      const { "start-ledger": ledgerStart, "end-ledger": ledgerEnd } = context.flags;
      const session = await startSession(ledgerStart, ledgerEnd, processor, config.dataDir !== "");
      context.stdout.write(banner(processor, config, source, session));
      await Promise.race([untilAborted(interrupted), processor.failed]);
      log.info("shutting down", { graceMs: config.shutdownGraceMs });
    } catch (thrown) {
      if (thrown !== interrupted.reason) throw thrown; // otherwise it is told to end while it waits for its source
    } finally {
      await processor?.close();
      await source?.close();
      await traces?.close();
      endToggle();
    }
    return 0;
  },
});

/** SIGUSR2 makes the log tell everything, and the next one what it told before. @returns ends that */
function toggleBySignal(log: Logger): () => void {
  if (process.platform === "win32") return () => {}; // it has no such signal
  const { level } = log;
  const toggle = () => {
    log.level = log.level === "debug" ? level : "debug";
    log.warn("SIGUSR2: the level of the log has been changed", { now: log.level });
  };
  process.on("SIGUSR2", toggle);
  return () => process.off("SIGUSR2", toggle);
}

/**
 * The network that the source names, or that its ledgers show it to be of; empty for a live source, which is checked
 * ledger by ledger. @throws CodedError FAILED_PRECONDITION / NETWORK_UNKNOWN where a lake does not tell
 */
async function networkOf(
  source: LedgerSource,
  { sourceEndpoint }: Config,
  access: SourceAccess,
  log: Logger,
): Promise<Partial<Config>> {
  const named = await source.networkPassphrase();
  if (named !== undefined) return { networkPassphrase: named };
  const members = membersOf(sourceEndpoint);
  const place = members.map(lakeOf).find((lake) => lake !== undefined);
  if (place === undefined) return {};
  let fault = "no transaction in its first files is of a known network";
  const network = await networkOfLedgers(place, access).catch((thrown) => {
    fault = `its first files do not tell: ${CodedError.from(thrown).message}`;
    return undefined;
  });
  if (network === undefined) {
    if (members.length > 1) return {}; // as for the others of its members
    throw new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_UNKNOWN",
      `${source.description} does not tell its network: it has no manifest, and ${fault}. Set NETWORK_PASSPHRASE`,
    );
  }
  log.info("NETWORK_PASSPHRASE is not set: the transactions of the first ledgers are of this network", { network });
  return { networkPassphrase: network };
}

/** Where a lake is; undefined for what is none. */
function lakeOf(member: MemberEndpoint): string | undefined {
  if (member.kind === "store") return member.address;
  return member.kind === "lake" || member.kind === "repeat" ? member.path : undefined;
}

/** Faults of a source that are its setting's, or its credentials': starting again mends none of them. */
const SETTING_REASONS: readonly string[] = [
  "BUCKET_NOT_FOUND",
  "CREDENTIALS_NOT_FOUND",
  "STORE_DENIED",
] satisfies Reason[];

/** @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID for a fault that the setting has, else `thrown` */
function refuseSetting(thrown: unknown): never {
  const { reason, message } = CodedError.from(thrown);
  if (!SETTING_REASONS.includes(reason)) throw thrown;
  throw new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", `SOURCE_ENDPOINT: ${message}`, { cause: thrown });
}

/** @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID where the lake's manifest names another network than the setting */
async function checkNetwork(source: LedgerSource, networkPassphrase: string): Promise<void> {
  if (!(source instanceof Lake)) return; // a service is asked when it is read
  const named = await source.networkPassphrase();
  if (named === undefined || named === networkPassphrase) return;
  throw new CodedError(
    "INVALID_ARGUMENT",
    "CONFIG_INVALID",
    `NETWORK_PASSPHRASE is ${JSON.stringify(networkPassphrase)}, and the ${source.description} is of ${JSON.stringify(named)} by its manifest: leave NETWORK_PASSPHRASE out, or name another lake`,
  );
}

async function startSession(
  ledgerStart: number | undefined,
  ledgerEnd: number | undefined,
  processor: RunningProcessor,
  remembered: boolean,
): Promise<string | undefined> {
  if (ledgerStart === undefined) {
    if (ledgerEnd === undefined) return undefined;
    throw new CodedError("INVALID_ARGUMENT", "START_LEDGER", "--end-ledger needs --start-ledger beside it");
  }
  // After a restart, this command line means the session that it has started before.
  const idempotencyKey = remembered ? `serve --start-ledger ${ledgerStart} --end-ledger ${ledgerEnd ?? 0}` : undefined;
  const request = { ledgerStart, ledgerEnd: ledgerEnd ?? 0, batchRows: 0, idempotencyKey };
  const { id } = await processor.sessions.start(request);
  return id;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function banner(
  { addresses }: RunningProcessor,
  config: Config,
  source: LedgerSource,
  session: string | undefined,
): string {
  // A certificate is for a name, which is the one that others use.
  const shown = (address: Address & Secured) =>
    address.tls ? advertisedAddress(address, config.advertisedHost) : dialTarget(address);
  const [control, flight] = [shown(addresses.control), shown(addresses.flight)];
  const asks = asksWho(config);
  // Names and passwords alone are turned into a token; an API key or a JWT is one.
  const token =
    config.apiKeysFile === "" && config.jwtIssuer === ""
      ? 'client.authenticate_basic_token("NAME", "PASSWORD")'
      : '(b"authorization", b"Bearer TOKEN")';
  const [login, options] = asks.flight
    ? [`\ntoken = ${token}\noptions = flight.FlightCallOptions(headers=[token])`, ", options"]
    : ["", ""];
  // The session's own path: the newest one may by then be another, of another schema version.
  const path = session === undefined ? "" : `, "${session}"`;
  const over = ({ tls }: Secured) => (tls ? " over TLS" : "");
  return `${PROGRAM} is ready
  source    ${source.description} (${config.networkPassphrase})
  control   ${control}   gRPC${over(addresses.control)}: contractdata.v1.ControlService, health, reflection
  flight    ${flight}    Arrow Flight${over(addresses.flight)}
  http      ${addresses.http.tls ? "https" : "http"}://${shown(addresses.http)}/    console; /health /ready /metrics
${session === undefined ? `\nStart a session:\n  ${PROGRAM} start --address ${control}${tlsFlags(addresses.control)}${asks.control ? " --token-file FILE" : ""} --start-ledger N\n` : `  session   ${session}\n`}
Read it from Python (pip install pyarrow${addresses.flight.tls ? "; ca.pem is the authority of the server's certificate" : ""}):

import pyarrow.flight as flight
client = flight.connect(${pythonTarget(flight, addresses.flight)})${login}
info = client.get_flight_info(flight.FlightDescriptor.for_path("contract", "data"${path})${options})
for endpoint in info.endpoints:
    for chunk in client.do_get(endpoint.ticket${options}):
        print(chunk.data.num_rows, "rows", chunk.app_metadata.to_pybytes().decode())

`;
}

interface Secured {
  tls: boolean;
  needsCert: boolean;
}

function tlsFlags({ tls, needsCert }: Secured): string {
  return `${tls ? " --ca-file ca.pem" : ""}${needsCert ? " --cert-file client.pem --key-file client.key" : ""}`;
}

/** What `flight.connect` is given. */
function pythonTarget(address: string, { tls, needsCert }: Secured): string {
  if (!tls) return `"grpc://${address}"`;
  const own = ', cert_chain=open("client.pem").read(), private_key=open("client.key").read()';
  return `"grpc+tls://${address}", tls_root_certs=open("ca.pem").read()${needsCert ? own : ""}`;
}
