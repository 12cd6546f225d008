/** Makes dist/contract-data-processor for this machine, or the file that is named. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { compileBinary } from "./binary.ts";

const outfile = process.argv[2] ?? join(import.meta.dir, "..", "dist", "contract-data-processor");
compileBinary(outfile);
console.log(`${outfile} (${(statSync(outfile).size / 1e6).toFixed(0)} MB)`);
