/** A server of getLedgers, getLatestLedger and getNetwork, as stellar-rpc documents them, over ledgers of the test's. */

/** How one request is answered instead; undefined: as it should be. */
type RpcFault = (method: string, call: number) => Response | Promise<Response | undefined> | undefined;

export class RpcServer implements Disposable {
  private readonly server: ReturnType<typeof Bun.serve>;
  /** Methods asked for, in order. */
  readonly calls: string[] = [];
  /** The longest page that was asked for. */
  limitMax = 0;
  /** Ports of the connections that have been seen. */
  readonly peers = new Set<number | undefined>();
  /** The authorization of each call, or null. */
  readonly authorizations: (string | null)[] = [];

  /** @param ledgers XDR by sequence number, without a gap; more may come later */
  constructor(
    private readonly ledgers: Map<number, Uint8Array>,
    private readonly passphrase: string,
    private readonly fault: RpcFault = () => undefined,
    private readonly tls?: Bun.TLSOptions,
  ) {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: (request) => this.answer(request) });
  }

  get url(): string {
    return `${this.tls === undefined ? "http" : "https"}://127.0.0.1:${this.server.port}/secret-key`;
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private async answer(request: Request): Promise<Response> {
    const { id, method, params } = (await request.json()) as {
      id: number;
      method: string;
      params: { startLedger?: number; pagination?: { limit?: number } };
    };
    this.calls.push(method);
    this.peers.add(this.server.requestIP(request)?.port);
    this.authorizations.push(request.headers.get("authorization"));
    const faulty = await this.fault(method, this.calls.length);
    if (faulty !== undefined) return faulty;
    const all = [...this.ledgers.keys()].sort((a, b) => a - b);
    const [oldest = 0, latest = 0] = [all[0], all.at(-1)];
    if (method === "getNetwork") return Response.json({ jsonrpc: "2.0", id, result: { passphrase: this.passphrase } });
    if (method === "getLatestLedger") return Response.json({ jsonrpc: "2.0", id, result: { sequence: latest } });
    const { startLedger = 0, pagination } = params;
    if (startLedger < oldest || startLedger > latest) {
      const message = `start ledger (${startLedger}) must be between the oldest ledger: ${oldest} and the latest ledger: ${latest} for this rpc instance`;
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32600, message } });
    }
    const limit = pagination?.limit ?? 50;
    this.limitMax = Math.max(this.limitMax, limit);
    const page = all.filter((sequence) => sequence >= startLedger).slice(0, limit);
    const ledgers = page.map((sequence) => ({
      sequence,
      ledgerCloseTime: "0",
      metadataXdr: Buffer.from(this.ledgers.get(sequence)!).toString("base64"),
    }));
    const result = { ledgers, latestLedger: latest, oldestLedger: oldest, cursor: String(page.at(-1)) };
    return Response.json({ jsonrpc: "2.0", id, result });
  }
}
