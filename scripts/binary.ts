/**
 * One file with Bun, the workers and the sample lake inside, for this machine or another one. The same sources give the
 * same bytes.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Left out. `@napi-rs/nice` is an optional native package of Piscina's that is not used here; it cannot be bundled. grpc-js loads
 * `@grpc/proto-loader`, and with it all of protobufjs, where channelz or ORCA is asked for, which nothing here does. msgpackr
 * loads `msgpackr-extract` where its native code is not disabled, as it is below; AWS' client loads `bowser` in a browser.
 */
const EXTERNAL = ["@napi-rs/nice", "@grpc/proto-loader", "msgpackr-extract", "bowser"];
const ROOT = join(import.meta.dir, "..");

/**
 * Compiles into `outfile`, and ends the process with the compiler's words where that fails.
 * @param target as `bun build --target` names it; left out: this machine
 */
export function compileBinary(outfile: string, target?: string): void {
  mkdirSync(dirname(outfile), { recursive: true });
  const built = spawnSync(
    process.execPath,
    [
      "build",
      "--compile",
      "--minify",
      "--splitting", // what several threads or commands need is there once, which takes 5 MB less and loads faster
      "--bytecode", // what is parsed at build time need not be at the start, which takes half as long; 15 MB more
      "--format=esm", // without it, bytecode is of CommonJS, which has no await outside of functions
      "--no-compile-autoload-dotenv", // the folder that it is started in is not its configuration …
      "--no-compile-autoload-bunfig", // … and a bunfig.toml there could preload code
      ...(target === undefined ? [] : [`--target=${target}`]),
      ...EXTERNAL.flatMap((name) => ["--external", name]),
      // One folder for the sources of all CommonJS packages, in place of where they are on this machine: the bytes are the same
      // wherever the binary is made. Piscina's worker is the one file that is asked for there: src/workers/host.ts.
      '--define=__dirname="/bundled/piscina/dist"',
      // msgpackr would load native code from node_modules of the machine that the binary was made on.
      '--define=process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED="true"',
      "src/main.ts",
      "src/worker-host.ts",
      "src/data-plane-host.ts",
      "--outfile",
      outfile,
    ],
    { cwd: ROOT, encoding: "utf8" },
  );
  if (built.status === 0) return;
  process.stderr.write(`${built.stdout}${built.stderr}`);
  process.exit(built.status ?? 1);
}
