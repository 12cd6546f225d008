import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateDocs } from "../../scripts/generate-docs.ts";
import { dialTarget } from "../../src/config/address.ts";
import { formatDuration, parseDurationMs } from "../../src/config/duration.ts";
import { type ConfigInputs, loadConfig } from "../../src/config/load.ts";
import { nearest } from "../../src/config/nearest.ts";
import { flagOf, SETTINGS, type SettingKey } from "../../src/config/schema.ts";
import { formatSize } from "../../src/config/types.ts";
import { VERSION } from "../../src/config/version.ts";
import { thrownBy } from "../support/failure.ts";

const ROOT = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function configFile(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** How loading from these fails. */
const refusal = (inputs: ConfigInputs) => thrownBy(() => loadConfig(inputs));

/** The four settings of TLS with that prefix, not set. */
function noTls<P extends string>(
  prefix: P,
): Record<`${P}${"CertFile" | "KeyFile" | "ClientCaFile" | "ClientAuth"}`, ""> {
  const keys = ["CertFile", "KeyFile", "ClientCaFile", "ClientAuth"];
  return Object.fromEntries(keys.map((key) => [`${prefix}${key}`, ""])) as ReturnType<typeof noTls<P>>;
}

/** The values with `env` set. */
const withEnv = (env: Record<string, string>) => loadConfig({ env }).values;

/** What deployments with flowctl rely on. */
const FLOWCTL = {
  flowctlEnabled: false,
  flowctlEndpoint: { address: "localhost:8080", tls: false },
  flowctlProtocol: "auto",
  flowctlHeartbeatIntervalMs: 10_000,
  flowctlComponentId: "",
  flowctlCaFile: "",
  flowctlCertFile: "",
  flowctlKeyFile: "",
} as const;

/** One node works alone. */
const CLUSTER = {
  ...{ cluster: "" as const, clusterName: "contract-data", nodeName: "", clusterLeaseMs: 10_000, clusterReplicas: 1 },
  ...{ ticketKeyFile: "", clusterCredentialsFile: "", clusterCaFile: "", clusterCertFile: "", clusterKeyFile: "" },
} as const;

const CONNECTIONS = {
  controlConnectionsMax: 1024,
  flightConnectionsMax: 4096,
  connectionStreamsMax: 256,
  peerLimits: "address",
  handshakeMsMax: 10_000,
  connectionIdleMsMax: 3_600_000,
} as const;

test("defaults are those that existing deployments rely on", () => {
  const { values, origins } = loadConfig({});
  expect(values).toEqual({
    serviceName: "contract-data-processor",
    serviceVersion: VERSION,
    shutdownGraceMs: 8_000,
    networkPassphrase: "Test SDF Network ; September 2015", // spelled out: no ledger of the tests proves it
    grpcAddress: { host: "", port: 50054 },
    flightAddress: { host: "", port: 8816 },
    healthAddress: { host: "", port: 8089 },
    advertisedHost: "",
    ...noTls("tls"),
    ...noTls("controlTls"),
    ...noTls("flightTls"),
    ...noTls("httpTls"),
    httpAllowedHosts: [],
    sourceEndpoint: { kind: "grpc", address: { host: "localhost", port: 50053 } },
    batchRows: 0,
    flushIntervalMs: 5000,
    workerCount: 4,
    channelBatches: 100,
    dictionaries: true,
    compat: "default",
    knownAssets: [],
    filterContractIds: [],
    filterAssetCodes: [],
    filterAssetIssuers: [],
    filterBalanceHolders: [],
    filterMinBalance: "",
    filterBalances: false,
    filterKeyTypes: [],
    filterDurability: "both",
    filterChangeTypes: [],
    filterModifiedAfterLedger: 0,
    includeDeleted: false,
    ...CONNECTIONS,
    memoryBytesMax: 1024 * 2 ** 20,
    ledgerBytesMax: 64 * 2 ** 20,
    flightMessageBytesMax: 2 * 2 ** 20,
    slowClientGraceMs: 30_000,
    sessionsMax: 64,
    rangesMax: 32,
    httpStreamsMax: 16,
    partitionsMax: 16,
    onError: loadConfig({}).values.onError,
    verifyChain: "on",
    sources: new Map(),
    flightCredentials: { credentials: [] },
    apiKeysFile: "",
    passwordsFile: "",
    jwtIssuer: "",
    jwtAudience: "",
    jwtJwksUrl: "",
    jwtKeyFile: "",
    jwtCaFile: "",
    jwtRoleClaim: "",
    accessFile: "",
    nameBytesPerSecondMax: 0,
    accessOpen: [],
    insecureListen: false,
    flightTokenTtlMs: 86_400_000,
    flightTokensMax: 1000,
    sourceAuthorization: "",
    sourceCaFile: "",
    sourceCertFile: "",
    sourceKeyFile: "",
    s3CaFile: "",
    s3CertFile: "",
    s3KeyFile: "",
    dataDir: "",
    resumeSessions: true,
    checkpointIntervalMs: 1000,
    logLevel: "info",
    debug: false,
    ...FLOWCTL,
    ...CLUSTER,
  });
  expect(new Set(Object.values(origins))).toEqual(new Set(["default"]));
});

test("every setting: its example is accepted and is not the default, its default is accepted, its names are its own", () => {
  for (const key of Object.keys(SETTINGS) as SettingKey[]) {
    const setting = SETTINGS[key];
    expect(setting.type.parse(setting.default), setting.env).not.toBeUndefined();
    const example = withEnv({ [setting.env]: setting.example })[key];
    if (!["GRPC_ADDRESS", "FLIGHT_ADDRESS", "HEALTH_PORT"].includes(setting.env)) {
      expect(example as unknown, setting.env).not.toEqual(loadConfig({}).values[key]);
    }
  }
  const names = Object.values(SETTINGS).map((setting) => setting.env);
  expect(new Set(names).size).toBe(names.length);
});

describe("precedence", () => {
  const file = configFile("precedence.json", '{"WORKER_COUNT": 5, "BATCH_SIZE": "50", "DEBUG": true}');

  test("flag over environment over file over default", () => {
    const { values, origins } = loadConfig({
      flags: { "worker-count": "7" },
      env: { WORKER_COUNT: "6", BATCH_SIZE: "60" },
      file,
    });
    expect([values.workerCount, values.batchRows, values.debug, values.channelBatches]).toEqual([7, 60, true, 100]);
    expect([origins.workerCount, origins.batchRows, origins.debug, origins.channelBatches]).toEqual([
      "flag",
      "environment",
      "file",
      "default",
    ]);
  });

  test("an empty variable counts as unset", () => {
    expect(loadConfig({ env: { WORKER_COUNT: "" }, file }).values.workerCount).toBe(5);
  });

  test("CONFIG_FILE names the file, --config wins over it", () => {
    const other = configFile("other.json", '{"WORKER_COUNT": 9}');
    expect(loadConfig({ env: { CONFIG_FILE: other } }).values.workerCount).toBe(9);
    expect(loadConfig({ env: { CONFIG_FILE: other }, file }).values.workerCount).toBe(5);
  });

  test("lists in a file may be JSON arrays", () => {
    const list = configFile("list.json", '{"FILTER_ASSET_CODES": ["USDC", "EURC"]}');
    expect(loadConfig({ file: list }).values.filterAssetCodes).toEqual(["USDC", "EURC"]);
  });
});

describe("errors name the setting, its value, where it came from and what is accepted", () => {
  test("all wrong values at once", () => {
    const error = refusal({ env: { WORKER_COUNT: "many", FLUSH_INTERVAL: "5" }, flags: { "grpc-address": "nowhere" } });
    expect(error.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason: "CONFIG_INVALID" });
    expect(error.message).toContain(
      'WORKER_COUNT is "many" (from the environment): a whole number from 1 to 256 is accepted, such as 8',
    );
    expect(error.message).toContain('FLUSH_INTERVAL is "5" (from the environment): a duration with its unit');
    expect(error.message).toContain('--grpc-address is "nowhere" (from the command line): :port (all interfaces)');
  });

  for (const [env, value] of [
    ["WORKER_COUNT", "0"],
    ["WORKER_COUNT", "1.5"],
    ["WORKER_COUNT", "-1"],
    ["BATCH_SIZE", "1e3"],
    ["HEALTH_PORT", "65536"],
    ["HEALTH_PORT", "http"],
    ["GRPC_ADDRESS", "50054"],
    ["GRPC_ADDRESS", "::1:50054"],
    ["FLIGHT_ADDRESS", "host:99999"],
    ["SOURCE_ENDPOINT", "sample"],
    ["SOURCE_ENDPOINT", "ftp://bucket"],
    ["SOURCE_ENDPOINT", "repeat:"],
    ["SOURCE_ENDPOINT", "localhost:0"],
    ["INCLUDE_DELETED", "yes"],
    ["FLUSH_INTERVAL", "0"],
    ["FLUSH_INTERVAL", "-5s"],
    ["LOG_LEVEL", "loud"],
    ["COMPAT", "rust"],
    ["FILTER_CONTRACT_IDS", "CABC"],
    ["FILTER_ASSET_CODES", "USDC,TOO_LONG_A_CODE"],
    ["FILTER_BALANCE_HOLDERS", "XABC"],
    ["FILTER_MIN_BALANCE", "-1"],
    ["FILTER_MIN_BALANCE", "1".repeat(40)],
    ["FILTER_KEY_TYPES", "Scv Vec"],
    ["FILTER_DURABILITY", "eternal"],
    ["FILTER_CHANGE_TYPES", "changed"],
    ["FILTER_MODIFIED_AFTER_LEDGER", "4294967296"],
    ["MAX_MEMORY_MB", "1GiB"],
    ["LEDGER_BYTES_MAX", "64MB"],
    ["LEDGER_BYTES_MAX", "1"],
    ["FLOWCTL_ENDPOINT", ":8080x"],
    ["FLOWCTL_ENDPOINT", "grpcs://flowctl"],
    ["FLOWCTL_PROTOCOL", "v2"],
    ["SOURCES", "archive"],
    ["SOURCES", "a=./lake,a=./other"],
    ["SOURCES", "archive=sample"],
    ["SOURCES", "a b=./lake"],
    ["CHECKPOINT_INTERVAL", "1ms"],
    ["RESUME_SESSIONS", "perhaps"],
  ] as const) {
    test(`${env}=${value}`, () => {
      const { message } = refusal({ env: { [env]: value } });
      expect(message).toContain(`${env} is ${JSON.stringify(value)}`);
      expect(message).toContain("is accepted");
    });
  }

  test("a file that is away, no JSON, no object, or has a name that is no setting", () => {
    const cases = [
      [join(folder, "away.json"), "cannot be read (ENOENT)"],
      [configFile("broken.json", "{"), "is not JSON"],
      [configFile("array.json", "[]"), "one JSON object"],
      [configFile("typo.json", '{"WORKER_COUTN": 3}'), "did you mean WORKER_COUNT?"],
      [configFile("nested.json", '{"WORKER_COUNT": {}}'), "WORKER_COUNT must be"],
    ] as const;
    for (const [file, text] of cases) {
      const error = refusal({ file });
      expect(error.reason).toBe("CONFIG_FILE_INVALID");
      expect(error.message).toContain(text);
      expect(error.message).toContain(file);
    }
  });
});

describe("types", () => {
  test("booleans as Go's strconv.ParseBool has them", () => {
    for (const text of ["1", "t", "T", "TRUE", "true", "True"]) expect(withEnv({ DEBUG: text }).debug).toBe(true);
    for (const text of ["0", "f", "F", "FALSE", "false", "False"]) expect(withEnv({ DEBUG: text }).debug).toBe(false);
  });

  test("durations as Go's time.ParseDuration has them", () => {
    const cases: [string, number | undefined][] = [
      ["5s", 5000],
      ["1m30s", 90_000],
      ["500ms", 500],
      ["1.5h", 5_400_000],
      [".5s", 500],
      ["1h2m3s4ms5us6ns", 3_723_004.005006],
      ["2µs", 0.002],
      ["2μs", 0.002],
      ["0", 0],
      ["-1s", -1000],
      ["+1s", 1000],
      ["", undefined],
      ["5", undefined],
      ["s", undefined],
      ["5 s", undefined],
      ["5s ", undefined],
      ["1d", undefined],
      ["5s3", undefined],
      ["-", undefined],
      [".s", undefined],
    ];
    for (const [text, expected] of cases) {
      const parsed = parseDurationMs(text);
      if (expected === undefined) expect(parsed, text).toBeUndefined();
      else expect(parsed, text).toBeCloseTo(expected, 9);
    }
  });

  test("durations are written so that they can be read", () => {
    for (const ms of [0, 1, 500, 1000, 1500, 90_000, 3_600_000, 5_430_250, 86_400_000]) {
      expect(parseDurationMs(formatDuration(ms))).toBe(ms);
    }
    expect(formatDuration(90_000)).toBe("1m30s");
  });

  test("sizes with and without a unit", () => {
    expect(withEnv({ LEDGER_BYTES_MAX: "134217728" }).ledgerBytesMax).toBe(128 * 2 ** 20);
    expect(withEnv({ LEDGER_BYTES_MAX: "128MiB" }).ledgerBytesMax).toBe(128 * 2 ** 20);
    expect(withEnv({ FLIGHT_MESSAGE_BYTES_MAX: "512KiB" }).flightMessageBytesMax).toBe(512 * 2 ** 10);
    expect(formatSize(3 * 2 ** 20)).toBe("3MiB");
  });

  test("addresses", () => {
    expect(withEnv({ GRPC_ADDRESS: ":0" }).grpcAddress).toEqual({ host: "", port: 0 });
    expect(withEnv({ GRPC_ADDRESS: "[::1]:5" }).grpcAddress).toEqual({ host: "::1", port: 5 });
    expect(withEnv({ HEALTH_PORT: "9000" }).healthAddress).toEqual({ host: "", port: 9000 });
    expect(withEnv({ HEALTH_PORT: ":9000" }).healthAddress).toEqual({ host: "", port: 9000 });
    expect(withEnv({ HEALTH_PORT: "127.0.0.1:9000" }).healthAddress).toEqual({ host: "127.0.0.1", port: 9000 });
    expect(dialTarget({ host: "", port: 5 })).toBe("127.0.0.1:5");
    expect(dialTarget({ host: "0.0.0.0", port: 5 })).toBe("127.0.0.1:5");
    expect(dialTarget({ host: "::1", port: 5 })).toBe("[::1]:5");
  });

  test("sources", () => {
    const source = (text: string) => withEnv({ SOURCE_ENDPOINT: text }).sourceEndpoint;
    expect(source("ledgers:1234")).toEqual({ kind: "grpc", address: { host: "ledgers", port: 1234 } });
    expect(source("/data/lake")).toEqual({ kind: "lake", path: "/data/lake" });
    expect(source("./lake")).toEqual({ kind: "lake", path: "./lake" });
    expect(source("a:b/lake")).toEqual({ kind: "lake", path: "a:b/lake" });
    expect(source("file:///data/my%20lake")).toEqual({ kind: "lake", path: "/data/my lake" });
    expect(source("repeat:./lake")).toEqual({ kind: "repeat", path: "./lake" });
    expect(source("repeat:file:///lake")).toEqual({ kind: "repeat", path: "/lake" });
  });

  test("named sources", () => {
    expect([...withEnv({ SOURCES: "archive=/data/lake, live=localhost:50053,both=./lake|:1" }).sources]).toEqual([
      ["archive", { kind: "lake", path: "/data/lake" }],
      ["live", { kind: "grpc", address: { host: "localhost", port: 50053 } }],
      [
        "both",
        {
          kind: "join",
          members: [
            { kind: "lake", path: "./lake" },
            { kind: "grpc", address: { host: "", port: 1 } },
          ],
        },
      ],
    ]);
  });

  test("lists drop blanks and empty items", () => {
    expect(withEnv({ FILTER_ASSET_CODES: " USDC, ,EURC," }).filterAssetCodes).toEqual(["USDC", "EURC"]);
    const usdc = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    expect(withEnv({ KNOWN_ASSETS: ` ${usdc},native,${usdc}` }).knownAssets).toEqual([usdc, "native"]);
    const wrong = refusal({ env: { KNOWN_ASSETS: `${usdc},${usdc.replace("GA5", "GA6")}` } });
    expect(wrong.message).toContain("KNOWN_ASSETS is no list of assets (entry[1]: ");
    const many = refusal({ env: { KNOWN_ASSETS: "native,".repeat(10_001) } }).message;
    expect(many).toContain("10001 assets, over max 10000");
    expect(many.length).toBeLessThan(500);
  });

  test("words in any case", () => {
    expect(withEnv({ LOG_LEVEL: "WARN", COMPAT: "Go" })).toMatchObject({ logLevel: "warn", compat: "go" });
  });

  test("MAX_MEMORY_MB is in mebibytes", () => {
    expect(withEnv({ MAX_MEMORY_MB: "2048" }).memoryBytesMax).toBe(2 ** 31);
  });
});

test("the nearest name, or none", () => {
  const names = ["status", "start", "stop", "serve", "metrics"];
  expect(nearest("statsu", names)).toBe("status");
  expect(nearest("strat", names)).toBe("start");
  expect(nearest("metric", names)).toBe("metrics");
  expect(nearest("met", names)).toBe("metrics");
  expect(nearest("decode", names)).toBeUndefined();
  expect(nearest("", names)).toBeUndefined();
});

describe("docs/configuration.md", () => {
  test("is current: bun scripts/generate-docs.ts", () => {
    for (const [path, content] of generateDocs()) expect(readFileSync(join(ROOT, path), "utf8"), path).toBe(content);
  });

  test("has a row for every setting", () => {
    const page = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");
    for (const setting of Object.values(SETTINGS)) {
      expect(page).toContain(`| \`${setting.env}\` | \`--${flagOf(setting.env)}\` |`);
    }
  });
});
