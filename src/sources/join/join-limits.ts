/** How long a joined source waits for its members. Tests set it otherwise. */
export interface JoinLimits {
  /** A tip without a ledger for so long is left, whatever it says: the network closes one every 5 to 6 seconds. */
  silentMsMax: number;
  /** A tip that was asked for a ledger and says that it has not got it yet is left after so long: a lake may be ahead of it. */
  quietMsMax: number;
  /** A lake without a ledger for so long is left: its requests have limits of their own, and a large object may take minutes. */
  lakeSilentMsMax: number;
  /** First and longest rest of a member that has failed. */
  retryMsMin: number;
  retryMsMax: number;
  /** A member that has served for so long begins with the shortest rest again. */
  steadyMs: number;
  /** A range ends with an error after so long without a ledger of any member, and so does what a lake holds damaged. */
  outageMsMax: number;
  /** For a member to be opened and to name its network; then it is left for now. */
  openMsMax: number;
  /** A lake that had failed is taken again from a tip when it is so far ahead: a lake that is well is behind all tips. */
  aheadLedgersMin: number;
}

/** What a server has. */
export const JOIN_LIMITS: JoinLimits = {
  silentMsMax: 60_000, // as long as a raw-ledger service may be silent: it may be starting its core
  quietMsMax: 10_000, // two ledgers
  lakeSilentMsMax: 600_000,
  retryMsMin: 1_000,
  retryMsMax: 30_000,
  steadyMs: 30_000,
  outageMsMax: 60_000,
  openMsMax: 10_000,
  aheadLedgersMin: 16,
};
