/** How the bodies of Arrow messages are compressed. */

/** Arrow IPC's BodyCompression codecs, and none. */
export const COMPRESSIONS = ["none", "lz4", "zstd"] as const;

/** One of COMPRESSIONS. */
export type Compression = (typeof COMPRESSIONS)[number];
