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

interface Document {
  paths: Record<string, Record<string, { parameters?: { name: string }[] }>>;
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
