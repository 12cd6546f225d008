/** Whether there are traces, by OpenTelemetry's own variables; the SDK is loaded only where there are. */
import { CodedError } from "../error.ts";
import type { Traces, TracesService } from "./traces.ts";

const SAMPLERS = ["always_on", "always_off", "traceidratio"].flatMap((name) => [name, `parentbased_${name}`]);

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Traces to OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT); undefined where neither is set, or
 * OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none turns them off. The SDK reads its other variables itself.
 * @param env the process's environment
 * @param complain takes what the exporter has to say, such as that nobody answers
 * @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID
 */
export async function openTraces(
  env: Environment,
  service: TracesService,
  complain: (line: string) => void,
): Promise<Traces | undefined> {
  if (!isWanted(env)) return undefined;
  check(env);
  const { Traces } = await import("./traces.ts");
  return new Traces(service, complain);
}

function isWanted(env: Environment): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === "true" || env.OTEL_TRACES_EXPORTER === "none") return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
}

function check(env: Environment): void {
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) {
    const protocol = URL.parse(env[name] ?? "")?.protocol;
    if (env[name] && protocol !== "http:" && protocol !== "https:") refuse(name, env[name], "an http or https URL");
  }
  for (const name of ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]) {
    if (env[name] && env[name] !== "http/protobuf") refuse(name, env[name], "http/protobuf alone");
  }
  const { OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG } = env;
  if (OTEL_TRACES_EXPORTER && OTEL_TRACES_EXPORTER !== "otlp") {
    refuse("OTEL_TRACES_EXPORTER", OTEL_TRACES_EXPORTER, "otlp or none");
  }
  if (!OTEL_TRACES_SAMPLER) return;
  if (!SAMPLERS.includes(OTEL_TRACES_SAMPLER)) {
    refuse("OTEL_TRACES_SAMPLER", OTEL_TRACES_SAMPLER, `one of ${SAMPLERS.join(", ")}`);
  }
  const ratio = Number(OTEL_TRACES_SAMPLER_ARG || Number.NaN);
  if (OTEL_TRACES_SAMPLER.endsWith("traceidratio") && !(ratio >= 0 && ratio <= 1)) {
    refuse("OTEL_TRACES_SAMPLER_ARG", OTEL_TRACES_SAMPLER_ARG ?? "", "a number from 0 to 1");
  }
}

function refuse(name: string, value: string, accepted: string): never {
  const sentence = `${name} is ${JSON.stringify(value)} (from the environment): ${accepted} is accepted`;
  throw new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", sentence);
}
