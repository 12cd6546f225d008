/**
 * The steps of `make test`; `make STEP` runs one alone. A test file belongs to the first step that has a pattern for it.
 */

/** One step: a command, test files, or both. */
interface Step {
  name: string;
  what: string;
  command?: string[];
  /** Globs of test files, from the project's root. */
  files?: string[];
}

export const STEPS: readonly Step[] = [
  { name: "types", what: "the type checker", command: ["node_modules/.bin/tsc", "--noEmit"] },
  {
    name: "lint",
    what: "Biome, and the rules of this house",
    command: ["node_modules/.bin/biome", "ci", "."],
    files: ["test/tidy/**"],
  },
  {
    name: "docs",
    what: "what README and docs print, as it is printed",
    files: ["test/docs/**", "test/e2e/{readme,fresh-clone,*-page}.test.ts", "test/library/**"],
  },
  {
    name: "binary",
    what: "the compiled file",
    files: ["test/e2e/{binary,bare-root}.test.ts", "test/ops/{deploy,dist}.test.ts"],
  },
  {
    name: "clients",
    what: "foreign clients and peers: Python, Go, Java, grpcurl",
    files: [
      "test/e2e/flight-clients.test.ts",
      "test/flight/{conformance,credentials,described,disconnects,foreign-clients}.test.ts",
      "test/http2/real-clients.test.ts",
      "test/sources/raw-ledger-{go,python,java}.test.ts",
    ],
  },
  {
    name: "e2e",
    what: "whole servers, their ends and their faults",
    files: ["test/{e2e,faults,regressions,simulator,sinks}/**", "test/sources/{object-store,join,meta,rpc}/**"],
  },
  { name: "unit", what: "everything else", files: ["test/**"] },
];

/** The test files of each step, of those given. */
export function filesOfSteps(files: readonly string[]): Map<string, string[]> {
  const byStep = new Map<string, string[]>(STEPS.map(({ name }) => [name, []]));
  const globs = STEPS.map((step) => (step.files ?? []).map((pattern) => new Bun.Glob(pattern)));
  for (const file of files) {
    const step = STEPS[globs.findIndex((patterns) => patterns.some((glob) => glob.match(file)))]!;
    byStep.get(step.name)!.push(file);
  }
  return byStep;
}
