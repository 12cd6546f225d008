/** The platforms that `make dist` makes a binary for. */

interface Target {
  /** As files are named: system, processor, C library where it is not the usual one, and processors without AVX2. */
  name: string;
  /** As `bun build --target` names it. */
  bun: string;
  /** What has been run of it; the others are compiled and nothing more. */
  tested?: string;
}

export const TARGETS: readonly Target[] = [
  { name: "linux-x64", bun: "bun-linux-x64", tested: "the whole suite" },
  { name: "linux-x64-baseline", bun: "bun-linux-x64-baseline", tested: "the main job" },
  { name: "linux-x64-musl", bun: "bun-linux-x64-musl", tested: "alone in a root of musl 1.2.5" },
  { name: "linux-x64-musl-baseline", bun: "bun-linux-x64-musl-baseline" },
  { name: "linux-arm64", bun: "bun-linux-arm64" },
  { name: "linux-arm64-musl", bun: "bun-linux-arm64-musl" },
  { name: "darwin-x64", bun: "bun-darwin-x64" },
  { name: "darwin-arm64", bun: "bun-darwin-arm64" },
  { name: "windows-x64", bun: "bun-windows-x64" },
  { name: "windows-x64-baseline", bun: "bun-windows-x64-baseline" },
];

/** The file of a target's binary. */
export function fileOf({ name }: Target, version: string): string {
  return `contract-data-processor-${version}-${name}${name.startsWith("windows") ? ".exe" : ""}`;
}
