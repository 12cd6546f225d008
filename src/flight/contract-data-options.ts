/** What the Flight service over contract data is made of. */
import type { Hub } from "../delivery/hub.ts";
import type { MainThread } from "../delivery/main-thread-client.ts";
import type { ClientEvent } from "../threads/client-event.ts";
import type { FlightTotals } from "../threads/flight-totals.ts";
import type { TicketSeal } from "./ticket-seal.ts";

/** The parts of the data-plane thread that a ContractDataProducer works with, and its settings. */
export interface ContractDataOptions {
  hub: Hub;
  main: MainThread;
  totals: FlightTotals;
  networkPassphrase: string;
  /** DICTIONARIES: for ranges whose tickets do not say. */
  dictionaries: boolean;
  service: { name: string; version: string };
  slowClientGraceMs: number;
  /** Where callers are asked who they are: what tickets that are given out carry. */
  seal?: TicketSeal;
  nowMs: () => number;
  /** A client has come or gone. */
  told?: (event: ClientEvent) => void;
}
