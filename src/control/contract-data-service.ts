/**
 * ContractDataService, which stood beside ControlService before it, in both of its packages (their messages are alike):
 * the same sessions, seen as one.
 */
import type { Address } from "../config/address.ts";
import { advertisedAddress } from "../config/advertised.ts";
import { ContractDataService, type FilterConfig } from "../grpc/generated/contract-data-service.ts";
import { ContractDataService as StellarContractDataService } from "../grpc/generated/contract-data-service-stellar.ts";
import type { Timestamp } from "../grpc/generated/google-protobuf-timestamp.ts";
import type { Handlers } from "../grpc/service.ts";
import { identityOf } from "../security/grant.ts";
import { scopedSessions } from "../sessions/scoped-sessions.ts";
import type { SessionService, SessionSnapshot } from "../sessions/session-service.ts";
import { isActive } from "../sessions/states.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";

/** The service under both of its full names: in package `contractdata` and in `stellar.v1`. */
export const CONTRACT_DATA_SERVICES = [ContractDataService, StellarContractDataService] as const;

/** What the process tells of itself. */
export interface ServiceDescription {
  name: string;
  version: string;
  /** A passphrase. */
  network: string;
  startedUnixMs: number;
  /** Where Flight listens. An empty host is every interface. */
  flight: Address & { tls: boolean };
  /** ADVERTISED_HOST; empty where it is not set. */
  advertisedHost: string;
}

/** In front of the address: without TLS it stands alone, as clients have always read it. */
const FLIGHT_OVER_TLS = "grpc+tls://";

const FEATURES = [
  "arrow_flight",
  "sessions",
  "resume",
  "ranges",
  "filter_contract_ids",
  "filter_asset_codes",
  "filter_asset_issuers",
  "filter_balance_holders",
  "filter_min_balance",
  "filter_modified_after_ledger",
  "filter_include_deleted",
  "dynamic_filters",
];

/**
 * Handlers that fit both packages. Counters and rates are sums over all known sessions; `currentLedger` and the health
 * are those of active sessions, or of the newest session where none is active. UpdateFilterConfig replaces the default
 * filter and the filters of all sessions that have not ended.
 * @throws CodedError INVALID_ARGUMENT from UpdateFilterConfig, as SessionService.configureFilters does
 */
export function contractDataHandlers(
  all: SessionService,
  service: ServiceDescription,
): Handlers<typeof ContractDataService> {
  const of = (call: object) => scopedSessions(all, identityOf(call));
  return {
    getServiceInfo: (_, call) => ({
      name: service.name,
      version: service.version,
      network: service.network,
      supportedFeatures: FEATURES,
      arrowFlightEndpoint: `${service.flight.tls ? FLIGHT_OVER_TLS : ""}${advertisedAddress(service.flight, service.advertisedHost, call.getHost())}`,
      startedAt: timestamp(service.startedUnixMs),
    }),

    getStatus: (_, call) => {
      const sessions = of(call).list();
      const active = sessions.filter(({ state }) => isActive(state));
      // What is over says something only while nothing else is under way.
      const seen = active.length > 0 ? active : sessions.slice(0, 1);
      const failed = seen.find(({ state }) => state === "ERROR");
      const sum = (value: (session: SessionSnapshot) => number) =>
        sessions.reduce((total, each) => total + value(each), 0);
      return {
        currentLedger: Math.max(0, ...seen.map(({ ledgerCurrent }) => ledgerCurrent)),
        contractsProcessed: sum(({ entriesProcessed }) => entriesProcessed),
        recordsStreamed: sum(({ rowsDelivered }) => rowsDelivered),
        processingRatePerSecond: sum(({ ratePerSecond }) => ratePerSecond),
        lastUpdate: timestamp(Math.max(service.startedUnixMs, ...sessions.map(({ updatedUnixMs }) => updatedUnixMs))),
        isHealthy: failed === undefined,
        errorMessage: failed?.error?.message,
        bytesProcessed: sum(({ bytesProcessed }) => bytesProcessed),
      };
    },

    getFilterConfig: () => {
      const { contractIds, assetCodes, assetIssuers, balanceHolders, includeDeleted, balanceMin, modifiedAfterLedger } =
        all.defaultFilter;
      return {
        contractIds: [...(contractIds ?? [])],
        assetCodes: [...(assetCodes ?? [])],
        assetIssuers: [...(assetIssuers ?? [])],
        balanceHolders: [...(balanceHolders ?? [])],
        includeDeleted: includeDeleted ?? true,
        minBalance: int64Text(balanceMin),
        modifiedAfterLedger: modifiedAfterLedger ?? 0,
      };
    },

    updateFilterConfig: async (config, call) => {
      await of(call).configureFilters({ replace: filterOf(config) });
      return {};
    },
  };
}

/** The fields that FilterConfig does not have select everything. */
function filterOf(config: FilterConfig): FilterRecord {
  const { contractIds, assetCodes, assetIssuers, balanceHolders, includeDeleted, minBalance } = config;
  const balanceMin = minBalance === "" || minBalance === "0" ? undefined : minBalance;
  const { modifiedAfterLedger } = config;
  return { contractIds, assetCodes, assetIssuers, balanceHolders, includeDeleted, balanceMin, modifiedAfterLedger };
}

/** The old field is an int64: a filter above it is told as its largest value. */
function int64Text(balance: string | undefined): string {
  const largest = 2n ** 63n - 1n;
  const value = BigInt(balance ?? "0");
  return String(value > largest ? largest : value);
}

function timestamp(unixMs: number): Timestamp {
  return { seconds: Math.floor(unixMs / 1000), nanos: Math.floor(unixMs % 1000) * 1_000_000 };
}
