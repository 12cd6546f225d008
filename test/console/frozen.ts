/** The server's own answers with everything that changes from run to run set to one value, for pictures of the console. */

const NOW = 1_790_000_000_000;
const POINTS = 240; // 40 minutes

/** By the name of a field: what it is. */
const VALUES: Readonly<Record<string, unknown>> = {
  nowUnixMs: NOW,
  startedUnixMs: NOW - 93_600_000,
  uptime_seconds: 93_600,
  activeMs: 5_400_000,
  ratePerSecond: 5230,
  lagSeconds: 4,
  ledgerCurrent: 58_752_000,
  entriesProcessed: 1_234_567,
  entriesSkipped: 4321,
  rowsDelivered: 2_469_134,
  bytesDelivered: 3_221_225_472,
  retainedBytes: 33_554_432,
  retained_bytes: 33_554_432,
  residentBytes: 471_859_200,
  limitBytes: 1_073_741_824,
  streamsBytesMax: 411_041_792,
  inFlightBytesMax: 176_160_768,
  rowReadersBytesMax: 67_108_864,
  ringsBytes: 67_108_864,
  workers: 4,
  port: 8816,
  stages: {
    wall: { sourceWait: 640, creditWait: 220, outputWait: 41, inputWait: 890 },
    cpu: { inflate: 92, decode: 310, encode: 405, hub: 66 },
  },
};

/** @param ids of the sessions that are shown, which get ids that are always the same */
export function frozen(overview: object, ids: readonly string[]): object {
  const text = JSON.stringify(overview, (name, value: unknown) => {
    if (name === "sessions" && Array.isArray(value))
      return (value as { id: string }[])
        .filter(({ id }) => ids.includes(id))
        .map((each) => ({ ...each, clients: each.id === ids[1] ? 2 : 0 }));
    if (name === "streams") return streamsOf(ids);
    if (name === "clients" && Array.isArray(value)) return value;
    if (name === "message" && typeof value === "string" && value.includes("waits for a reader")) return "";
    return name in VALUES ? VALUES[name] : value;
  });
  return JSON.parse(text) as object;
}

/** A client that reads, and one that blocks the stream. */
function streamsOf([over, endless]: readonly string[]): object[] {
  const client = { mode: "following", rows: 1_234_567, lag_ledgers: 0, lag_bytes: 0, blocked_ms: 1200, unread_ms: 0 };
  return [
    {
      session: endless,
      kind: "session",
      full: true,
      clients: [
        { ...client, peer: "10.1.0.7:41022" },
        {
          ...client,
          peer: "10.1.0.9:50110",
          lag_ledgers: 812,
          lag_bytes: 33_554_432,
          blocked_ms: 61_000,
          unread_ms: 14_000,
        },
      ],
    },
    { session: over, kind: "session", full: false, clients: [] },
  ];
}

export function frozenHistory(ids: readonly string[]): object {
  const wave = (base: number, size: number) =>
    Array.from({ length: POINTS }, (_, index) =>
      Math.round(base + size * Math.sin(index / 9) + (index % 7) * (size / 9)),
    );
  const ended = (rates: number[]) => rates.map((rate, index) => (index > POINTS - 60 ? 0 : rate));
  const [over, endless] = ids;
  const sessions = [
    [over, { rates: ended(wave(5000, 800)), lags: wave(5, 2) }],
    [endless, { rates: wave(5900, 800), lags: wave(5, 2) }],
  ];
  return { stepSeconds: 10, sessions: Object.fromEntries(sessions) };
}
