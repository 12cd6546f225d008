/** The real grpcurl, built on first use into `.cache/bin` of the project. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const VERSION = "v1.9.3";
const BIN = join(import.meta.dir, "../../.cache/bin");
export const BUILD_MS_MAX = 600_000; // a first build fetches and compiles some fifty modules

const PATH = join(BIN, `grpcurl-${VERSION}`);

/** False, with a message, where there is no Go to build it with; that is an error under CI=true. */
export function canHaveGrpcurl(): boolean {
  if (existsSync(PATH) || Bun.which("go")) return true;
  if (process.env.CI === "true") throw new Error("under CI: no Go to build grpcurl with");
  console.log("skipped: no Go to build grpcurl with");
  return false;
}

/** The executable's path. @throws Error when it does not build */
export function grpcurlPath(): string {
  if (existsSync(PATH)) return PATH;
  mkdirSync(BIN, { recursive: true });
  const folder = mkdtempSync(join(BIN, "build-"));
  try {
    const built = Bun.spawnSync(["go", "install", `github.com/fullstorydev/grpcurl/cmd/grpcurl@${VERSION}`], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: "" },
      stdout: "inherit",
      stderr: "pipe",
    });
    if (!built.success) throw new Error(`grpcurl ${VERSION} did not build: ${built.stderr.toString().slice(-500)}`);
    // Whole or not at all, also when two runs build at once.
    renameSync(join(folder, "grpcurl"), PATH);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return PATH;
}
