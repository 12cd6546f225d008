/** /openapi.json: a sound document, of the routes that there are. */
import { expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { addSessionRoutes } from "../../src/control/http-routes.ts";
import { createOpsApp } from "../../src/ops/app.ts";
import type { OpsHono } from "../../src/ops/ops-hono.ts";
import type { OpsSource } from "../../src/ops/status.ts";
import { openApi } from "../../src/rows/open-api.ts";
import { addRowRoutes } from "../../src/rows/routes.ts";
import { RowFormatter } from "../../src/rows/row-formatter.ts";
import { RANGE_PARAMETERS } from "../../src/rows/row-query.ts";
import { MemorySessions } from "../control/memory-sessions.ts";

interface Schema {
  type?: string;
  enum?: readonly unknown[];
  minimum?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}
interface Described {
  parameters?: { name: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}
interface Document {
  paths: Record<string, Record<string, Described>>;
}

/** A value of the schema, with all that it may have. */
function example(schema: Schema): unknown {
  if (schema.enum) return schema.enum[0];
  if (schema.type === "array") return [example(schema.items!)];
  if (schema.type === "boolean") return true;
  if (schema.type === "integer") return Math.max(1, schema.minimum ?? 0);
  if (schema.type === "string") return "5";
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, each]) => [key, example(each)]));
}

const NO_READS = {
  read(): never {
    throw new Error("nothing is read here");
  },
};
const options = {
  reads: NO_READS,
  formatter: new RowFormatter(),
  streamsMax: 1,
  isStopping: () => false,
  version: "1",
};
const app: OpsHono = createOpsApp({} as OpsSource, {
  console: { overview: async () => ({}), history: () => ({ stepSeconds: 10, sessions: {} }) },
  addRoutes(each) {
    addSessionRoutes(each, new MemorySessions(), () => {}, { level: "info" });
    addRowRoutes(each, options);
  },
});

test("is valid", async () => {
  const { valid, errors } = await new Validator().validate({ ...openApi("1.2.3") });
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  const broken = { ...openApi("1"), paths: { "no-slash": 5 } };
  expect((await new Validator().validate(broken)).valid).toBe(false);
});

test("has every route, and every route has it", () => {
  const { paths } = openApi("1") as Document;
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`),
  );
  const served = app.routes
    .filter(({ method, path }) => method !== "ALL" && path !== "/" && !path.startsWith("/console/"))
    .map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted()).toEqual([...new Set(served)].toSorted());
  const names = paths["/v1/rows"]!.get!.parameters!.map(({ name }) => name);
  expect(RANGE_PARAMETERS.every(({ key }) => names.includes(key))).toBe(true);
});

test("what it says of bodies is taken, every key of it, and nothing else", async () => {
  const { paths } = openApi("1") as Document;
  const post = async (path: string, body: object) => {
    const address = path.replace("{id}", "none");
    const answer = await app.request(address, { method: "POST", body: JSON.stringify(body) }, { peer: "" });
    const { error } = (await answer.json()) as { error?: { reason: string; message: string } };
    return error;
  };
  const bodies = Object.entries(paths).filter(
    ([path, { post: described }]) => !path.endsWith("/rows") && described?.requestBody,
  );
  expect(bodies.length).toBe(3);
  for (const [path, { post: described }] of bodies) {
    const { schema } = described!.requestBody!.content["application/json"]!;
    const body = example(schema) as Record<string, unknown>;
    const refused = ["KEY_UNKNOWN", "KEY_INVALID", "KEY_MISSING", "JSON_INVALID"];
    expect(refused).not.toContain((await post(path, body))?.reason);
    expect((await post(path, { ...body, ...(body.filters ? { filters: {} } : {}), colour: "red" }))?.reason).toBe(
      "KEY_UNKNOWN",
    );
    for (const key of schema.required!)
      expect((await post(path, { ...body, [key]: undefined }))?.message).toContain(key);
  }
});
