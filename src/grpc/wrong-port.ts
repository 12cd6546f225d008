/**
 * Services that are asked for at the wrong port of this process. Without these handlers a client reads grpc-js's own
 * "The server does not implement the method …", and does not learn which port it has met.
 */
import type * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import { type Admit, addService, type Handlers, type ServiceType } from "./service.ts";

/**
 * Answers every method of `service` with UNIMPLEMENTED / WRONG_PORT. Leave the service out of reflection.
 *
 * @param sentence which port this is, and at which setting's port the service is
 */
export function addWrongPort<S extends ServiceType>(
  server: grpc.Server,
  service: S,
  sentence: string,
  admit?: Admit,
): void {
  const refuse = () => {
    throw new CodedError("UNIMPLEMENTED", "WRONG_PORT", sentence);
  };
  const handlers = Object.fromEntries(Object.keys(service.methods).map((key) => [key, refuse]));
  // a handler that throws at once fits every kind of method
  addService(server, service, handlers as unknown as Handlers<S>, undefined, admit);
}
