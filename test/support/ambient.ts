/** A folder that would change a program started in it, if the program let it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the folder's code prints on stderr. */
export const AMBIENT_TEXT = "code of another folder ran";

/** Makes the folder: a bunfig.toml that preloads code, and a .env with a setting that stops every server. */
export function makeAmbientFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./other.ts"]\n');
  writeFileSync(join(folder, "other.ts"), `console.error(${JSON.stringify(AMBIENT_TEXT)});\n`);
  writeFileSync(join(folder, ".env"), "WORKER_COUNT=banana\n");
}
