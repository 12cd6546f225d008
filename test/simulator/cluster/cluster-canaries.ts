/** Bugs that can be put in, to see that the simulation finds them; simulated-node.ts and the bucket have them. */

/** The lease of every record in the simulation. */
export const LEASE_MS = 1000;

/**
 * fencing: the bucket takes writes of any revision; late: an owner does not look whether its lease has ended; eager: a
 * record is claimed at once; answer: the lease counts from the answer of a write; reserve: ledgers are given out before
 * their reservation is stored; forget: what the bucket has lost is not restored by those who saw it.
 */
export const CLUSTER_CANARIES = ["fencing", "late", "eager", "answer", "reserve", "forget"] as const;
export type ClusterCanary = (typeof CLUSTER_CANARIES)[number];
