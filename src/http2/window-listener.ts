/** What the reader of a client's frames tells. */

/** Told of what the client allows, in the order in which it says so. */
export interface WindowListener {
  /** A stream begins. */
  opened(stream: number): void;
  /** WINDOW_UPDATE; stream 0 = the connection. False when that is more than HTTP/2 allows. */
  credited(stream: number, bytes: number): boolean;
  /** Each SETTINGS frame that is no acknowledgement, with the change of all streams' windows that it makes, in bytes. */
  settings(windowChange: number): void;
  /** The client has reset the stream. */
  forget(stream: number): void;
  /** Whether node:http2 needs no window for that stream. */
  hasLane(stream: number): boolean;
}
