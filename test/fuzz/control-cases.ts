/** Calls of the control plane as strangers and clumsy clients make them: requests with odd fields, and bytes that are none. */
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { ContractDataService as StellarContractDataService } from "../../src/grpc/generated/contract-data-service-stellar.ts";
import { ControlService } from "../../src/grpc/generated/control.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { ServerReflection } from "../../src/grpc/generated/reflection-v1.ts";
import { SAMPLE } from "../support/processor.ts";
import { changedBytes } from "./changed-bytes.ts";
import type { Dice } from "./dice.ts";

const SERVICES = [ControlService, ContractDataService, StellarContractDataService, Health, ServerReflection];
const PATHS = SERVICES.flatMap(({ typeName, methods }) =>
  Object.values(methods).map(({ name }) => `${typeName}/${name}`),
);
const REQUESTS = Object.values(ControlService.methods).map(({ name, request }) => ({
  path: `${ControlService.typeName}/${name}`,
  // each message takes the fields that it has
  encode: request.encode as (fields: object) => Uint8Array,
}));

const TEXTS = ["", "s-1", "none", "team=a", "\u0000", "💥", "__proto__", "../../etc/passwd", "x".repeat(70_000), "-1"];
const NUMBERS = [0, 1, 2, SAMPLE.first, SAMPLE.last, 2 ** 31 - 1, 2 ** 32 - 1];

/** Fields of all requests of the service, some of them, with values that are sound or odd. */
function fields(dice: Dice): object {
  const text = () => dice.pick(TEXTS);
  const number = () => dice.pick(NUMBERS);
  const texts = () => Array.from({ length: dice.below(4) }, text);
  const filters = () => ({ contractIds: texts(), keyTypes: texts(), minBalance: text(), durability: text() });
  const makers: Record<string, () => unknown> = {
    ...{ sessionId: text, source: text, idempotencyKey: text, pageToken: text, level: text },
    ...{ batchSize: number, schemaVersion: number, partitions: number, compression: number, pageSize: number },
    ...{ knownAssets: texts, datasets: texts, contractIds: texts, assetCodes: texts, statuses: () => [number()] },
    ...{ filters, labels: () => new Map([[text(), text()]]), mode: number, force: () => true },
  };
  const made = Object.entries(makers).filter(() => dice.chance(0.3));
  const range = { startLedger: dice.chance(0.7) ? SAMPLE.first : number(), endLedger: SAMPLE.last };
  return { ...range, ...Object.fromEntries(made.map(([name, make]) => [name, make()])) };
}

/** A call of the control plane: its path and its message. */
export function controlCall(dice: Dice): { path: string; message: Uint8Array } {
  const { path, encode } = dice.pick(REQUESTS);
  if (dice.chance(0.6)) return { path, message: encode(fields(dice)) };
  const bytes = dice.chance(0.5) ? encode(fields(dice)) : dice.bytes(dice.below(300));
  return { path: dice.pick(PATHS), message: changedBytes(dice, bytes) };
}
