/** Whether the server can do its work, and what it says of its parts. */
import { ControlService } from "../grpc/generated/control.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import type { HealthState } from "../grpc/health-state.ts";
import type { Component } from "../ops/status.ts";
import type { SessionSnapshot } from "../sessions/session-service.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { settingBehind } from "../sessions/setting-faults.ts";
import type { LedgerSource } from "../sources/source.ts";

/** The parts that can fail or be away by themselves. */
export function components(health: HealthState, closing: boolean, silenceMs: number | undefined): Component[] {
  const silence = silenceMs && `its thread has not answered for ${Math.round(silenceMs / 1000)} s`;
  const part = (name: string, service: string, trouble = "not serving"): Component => {
    const serving = health.get(service) === true;
    return {
      name,
      healthy: serving || closing,
      ready: serving && !closing,
      message: closing ? "shutting down" : serving ? "serving" : trouble,
    };
  };
  return [part("control", ControlService.typeName), part("flight", FlightService.typeName, silence || undefined)];
}

/** How the work goes that is not the server's own: told, and no reason to send clients elsewhere. */
export function workOf(source: LedgerSource, manager: Sessions): Component[] {
  const sessions = manager.list().filter(({ elsewhere }) => elsewhere === undefined);
  const waiting = sessions.filter(({ sourceWait }) => sourceWait !== undefined);
  const failed = sessions.filter(
    ({ state, request }) => (state === "ERROR" || state === "UNKNOWN") && request.ledgerEnd === 0,
  );
  const condition = source.condition?.() ?? { message: source.description, well: true };
  const part = (name: string, troubled: readonly SessionSnapshot[], well: string, isWell = true): Component => ({
    name,
    healthy: true, // a restart mends neither
    ready: troubled.length === 0 && isWell,
    message:
      troubled.length === 0 ? well : `of ${troubled.length}, session ${troubled[0]!.id}: ${troubled[0]!.message}`,
    advisory: true,
  });
  const { stateTrouble } = manager;
  const ofSetting = sessions.filter(
    ({ state, error }) => state === "ERROR" && settingBehind(error?.reason) !== undefined,
  );
  const [first] = ofSetting;
  return [
    {
      name: "state",
      healthy: stateTrouble === undefined,
      ready: stateTrouble === undefined && first === undefined,
      message:
        stateTrouble ??
        (first === undefined
          ? "what is acknowledged is on record"
          : `of ${ofSetting.length}, session ${first.id} is held up by ${settingBehind(first.error?.reason)}: ${first.message}`),
    },
    part("source", waiting, condition.message, condition.well),
    part("sessions", failed, "no continuous session has failed or waits to be resumed"),
  ];
}
