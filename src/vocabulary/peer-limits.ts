/** What the limits of one client go by: its address, the name that it proves, or nothing. */
export const PEER_LIMITS = ["address", "identity", "off"] as const;
export type PeerLimits = (typeof PEER_LIMITS)[number];
