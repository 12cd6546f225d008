/** grpc.health.v1.Health (proto/health.proto) over HealthState. */
import type * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import {
  type Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./generated/health.ts";
import type { HealthState } from "./health-state.ts";
import type { Handlers, Init } from "./service.ts";

const WATCHES_MAX = 1000; // a watch is kept as long as its client likes; probes need one each

type WatchCall = grpc.ServerWritableStream<HealthCheckRequest, Init<HealthCheckResponse>>;

interface HealthService {
  handlers: Handlers<typeof Health>;
  /** Ends all watches, which would otherwise keep the server from closing. */
  close(): void;
}

/**
 * Handlers of gRPC's health-checking protocol. Watch sends the status at once and after each change; for an unknown
 * service it sends SERVICE_UNKNOWN and stays open.
 * @throws CodedError NOT_FOUND / SERVICE_UNKNOWN from Check, RESOURCE_EXHAUSTED / HEALTH_WATCHES from Watch
 */
export function healthService(state: HealthState): HealthService {
  const watches = new Set<WatchCall>();
  return {
    handlers: {
      check({ service }) {
        const serving = state.get(service);
        if (serving === undefined) {
          throw new CodedError("NOT_FOUND", "SERVICE_UNKNOWN", "this server has no service of that name");
        }
        return { status: servingStatus(serving) };
      },

      watch(call) {
        if (watches.size >= WATCHES_MAX) {
          throw new CodedError(
            "RESOURCE_EXHAUSTED",
            "HEALTH_WATCHES",
            `${watches.size} health watches are open, the maximum is ${WATCHES_MAX}: close one, or use Check`,
          );
        }
        const { service } = call.request;
        watches.add(call);
        const unsubscribe = state.subscribe(service, (serving) => call.write({ status: servingStatus(serving) }));
        // grpc-js emits it after every end of a call, not only when the client cancels.
        call.on("cancelled", () => {
          unsubscribe();
          watches.delete(call);
        });
        const serving = state.get(service);
        call.write({ status: serving === undefined ? ServingStatus.SERVICE_UNKNOWN : servingStatus(serving) });
      },
    },

    close() {
      for (const call of watches) call.end();
    },
  };
}

function servingStatus(serving: boolean): ServingStatus {
  return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}
