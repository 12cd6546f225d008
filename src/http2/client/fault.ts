/** What a server does that HTTP/2 does not allow, or more of it than there are limits for. Ends the connection. */
export class Http2Fault extends Error {
  /** @param code for the GOAWAY, of RFC 9113's section 7 */
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
    this.name = "Http2Fault";
  }
}
