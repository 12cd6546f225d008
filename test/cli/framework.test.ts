import { describe, expect, test } from "bun:test";
import { type AnyCommand, type CommandEntry, defineCommand } from "../../src/cli/command.ts";
import { CONFIG_FLAGS, configOf } from "../../src/cli/config-flags.ts";
import { option, optionOr, repeated, required, toggle } from "../../src/cli/flags.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { SETTINGS } from "../../src/config/schema.ts";
import { duration, integer, text } from "../../src/config/types.ts";
import { VERSION } from "../../src/config/version.ts";
import { CodedError } from "../../src/error.ts";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "./harness.ts";

const seen: unknown[] = [];

const sample = defineCommand({
  usage: "FILE… [flags]",
  description: "A paragraph.",
  args: { min: 1, max: 2 },
  flags: {
    count: option({ short: "n", placeholder: "N", type: integer(1, 10), summary: "How many." }),
    wait: optionOr({ placeholder: "DURATION", type: duration(0, 60_000), otherwise: 5, summary: "How long." }),
    tag: repeated({ placeholder: "TEXT", type: text, summary: "A tag." }),
    json: toggle({ summary: "As JSON." }),
  },
  examples: [{ command: "contract-data-processor sample x --count 2", meaning: "two of them" }],
  async run({ args, flags, print }) {
    seen.push({ args, ...flags });
    print("done");
  },
});

const failing = (error: unknown): AnyCommand =>
  defineCommand({
    usage: "",
    flags: {},
    examples: [{ command: "contract-data-processor fail", meaning: "fails" }],
    async run() {
      throw error;
    },
  });

let begun = 0;
const commands: CommandEntry[] = [
  {
    name: "sample",
    summary: "does a sample",
    load: async () => ({ command: sample }),
    begin: async () => void begun++,
  },
  {
    name: "needs",
    summary: "needs a flag",
    load: async () => ({
      command: defineCommand({
        usage: "--size N",
        flags: { size: required({ placeholder: "N", type: integer(1, 9), summary: "The size." }) },
        examples: [{ command: "contract-data-processor needs --size 1", meaning: "one" }],
        async run({ flags }) {
          return flags.size;
        },
      }),
    }),
  },
  {
    name: "fail",
    summary: "fails",
    load: async () => ({
      command: failing(CodedError.received("NOT_FOUND", "AWAY", "no such\nthing", { cause: new Error("inner") })),
    }),
  },
  { name: "misuse", summary: "refuses", load: async () => ({ command: failing(new UsageError("not like that")) }) },
];

const run = (line: string, env: Record<string, string> = {}) => cli(line.split(" ").filter(Boolean), commands, env);

describe("help", () => {
  test("global: no arguments, --help, -h and help list every command", async () => {
    for (const line of ["", "--help", "-h", "help"]) {
      const { code, out, err } = await run(line);
      expect([code, err]).toEqual([0, ""]);
      for (const { name, summary } of commands) expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, "m"));
      expect(out).toContain("Usage: contract-data-processor COMMAND");
    }
  });

  test("of a command: usage, paragraph, flags, an example", async () => {
    for (const line of ["sample --help", "sample -h", "sample x --json --help", "help sample"]) {
      const { code, out } = await run(line);
      expect(code).toBe(0);
      expect(out).toBe(`contract-data-processor sample: does a sample

Usage: contract-data-processor sample FILE… [flags]

A paragraph.

Flags:
  -n, --count N    How many.
  --wait DURATION  How long.
  --tag TEXT       A tag.
  --json           As JSON.
  -h, --help       Show this.

Examples:
  # two of them
  contract-data-processor sample x --count 2
`);
    }
  });

  test("--version", async () => {
    for (const line of ["--version", "-v", "version"]) {
      expect(await run(line)).toEqual({ code: 0, out: `contract-data-processor ${VERSION}\n`, err: "" });
    }
  });
});

describe("the command line", () => {
  test("values by blank or =, short names, repetition, -- and a lone dash", async () => {
    seen.length = 0;
    expect((await run("sample a --count 3 --tag=x --tag y=z --json -")).code).toBe(0);
    expect((await run("sample -n 4 -- --json")).code).toBe(0);
    expect((await run("sample a --wait 2s --json=false")).code).toBe(0);
    expect(seen).toEqual([
      { args: ["a", "-"], count: 3, wait: 5, tag: ["x", "y=z"], json: true },
      { args: ["--json"], count: 4, wait: 5, tag: [], json: false },
      { args: ["a"], count: undefined, wait: 2000, tag: [], json: false },
    ]);
  });

  for (const [line, message] of [
    ["smaple", 'unknown command "smaple"; did you mean sample?'],
    ["xyzzy", 'unknown command "xyzzy"'],
    ["help smaple", 'unknown command "smaple"; did you mean sample?'],
    ["--json sample", "unknown flag --json: flags stand after the command's name"],
    ["sample x --cuont 1", "unknown flag --cuont; did you mean --count?"],
    ["sample x -x", "unknown flag -x"],
    ["sample x --constructor", "unknown flag --constructor"],
    ["sample x --count", "--count needs a value: --count N"],
    ["sample x --count --json", "--count needs a value: --count N"],
    ["sample x --count 11", '--count is "11": a whole number from 1 to 10 is accepted'],
    ["sample x --count -5", '--count is "-5": a whole number from 1 to 10 is accepted'],
    ["sample x --count 1 --count 2", "--count is given 2 times: once is accepted"],
    ["sample x --json=maybe", "--json takes no value"],
    ["sample", "too few arguments: sample FILE… [flags]"],
    ["sample a b c", '"c" is one argument too many'],
    ["needs", "--size N is missing"],
    ["needs x", 'unexpected argument "x"'],
    ["misuse", "not like that"],
  ] as const) {
    test(`wrong: ${line}`, async () => {
      const { code, out, err } = await run(line);
      expect(code).toBe(2);
      expect(out).toBe("");
      expect(err).toStartWith(`contract-data-processor: ${message} (see contract-data-processor `);
      expect(err.trimEnd().split("\n")).toHaveLength(1);
    });
  }

  test("a command's number is the exit code", async () => {
    expect((await run("needs --size 7")).code).toBe(7);
  });

  test("a failure is one line on stderr and exit code 1; DEBUG adds the stacks", async () => {
    expect(await run("fail")).toEqual({ code: 1, out: "", err: "contract-data-processor: no such thing\n" });
    const { err } = await run("fail", { DEBUG: "1" });
    expect(err).toContain("caused by Error: inner");
  });
});

describe("the configuration as flags", () => {
  const serve: CommandEntry[] = [
    {
      name: "serve",
      summary: "serves",
      load: async () => ({
        command: defineCommand({
          usage: "",
          flags: { ...CONFIG_FLAGS, own: toggle({ summary: "Its own." }) },
          examples: [{ command: "contract-data-processor serve", meaning: "serves" }],
          async run(context) {
            const { values } = configOf(context);
            const { workerCount, batchRows, debug, includeDeleted } = values;
            context.print(JSON.stringify({ workerCount, batchRows, debug, includeDeleted }));
          },
        }),
      }),
    },
  ];

  test("flags win over the environment; a boolean may stand alone", async () => {
    const args = ["serve", "--worker-count", "2", "--debug", "--include-deleted=false", "--own"];
    const { out, err } = await cli(args, serve, { WORKER_COUNT: "3", BATCH_SIZE: "10", INCLUDE_DELETED: "true" });
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual({ workerCount: 2, batchRows: 10, debug: true, includeDeleted: false });
  });

  test("a wrong value is one line that names the flag", async () => {
    const { code, err } = await cli(["serve", "--worker-count", "x"], serve);
    expect(code).toBe(2);
    expect(err).toBe(
      'contract-data-processor: --worker-count is "x" (from the command line): a whole number from 1 to 256 is accepted, such as 8\n',
    );
  });

  test("every setting is in the help", async () => {
    const { out } = await cli(["serve", "--help"], serve);
    for (const setting of Object.values(SETTINGS)) expect(out).toContain(`(${setting.env})`);
  });
});

test("what a command needs beside is begun to run it, and not to show its help", async () => {
  begun = 0;
  for (const help of [
    ["sample", "--help"],
    ["sample", "x", "-h"],
    ["help", "sample"],
  ])
    await cli(help, commands);
  expect(begun).toBe(0);
  expect((await cli(["sample", "x"], commands)).code).toBe(0);
  expect(begun).toBe(1);
});

describe("the commands of the executable", () => {
  for (const entry of COMMANDS) {
    test(`${entry.name} --help teaches`, async () => {
      const { code, out, err } = await cli([entry.name, "--help"], COMMANDS);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toContain(`Usage: contract-data-processor ${entry.name}`);
      expect(out).toMatch(/Examples:\n {2}# /);
      const { command } = await entry.load();
      for (const example of command.examples)
        expect(example.command).toContain(`contract-data-processor ${entry.name}`);
    });
  }
});
