/** Members of a join whose ledgers grow with a world's clock, and which fail in every way that a seed picks. */
import { CodedError } from "../../../src/error.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../../../src/sources/source.ts";

/** The network: its newest ledger grows; faults are over once it is calm. */
export class World {
  newest: number;
  isCalm = false;

  constructor(
    readonly random: () => number,
    readonly first: number,
  ) {
    this.newest = first;
  }

  /** Whether something that happens with probability `chance` does; never when calm. */
  chance(chance: number): boolean {
    return !this.isCalm && this.random() < chance;
  }

  pick<T>(...items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }
}

const missing = (text: string) => new CodedError("NOT_FOUND", "LEDGER_MISSING", text);
const away = (text: string) => new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", text);

abstract class SimulatedMember implements LedgerSource {
  abstract readonly seekable: boolean;
  reading = 0;

  constructor(
    readonly description: string,
    protected readonly world: World,
    /** Ledgers an object. */
    private readonly size: number,
  ) {}

  abstract get newest(): number;
  abstract get oldest(): number;

  networkPassphrase(): Promise<string | undefined> {
    return this.world.chance(0.1) ? Promise.reject(away("no network for now")) : Promise.resolve("test");
  }

  ledgerLatest(): Promise<number | undefined> {
    return this.world.chance(0.1) ? Promise.reject(away("no newest for now")) : Promise.resolve(this.newest);
  }

  async *read(start: number, end: number, signal: AbortSignal, onTrouble: TroubleListener = () => {}) {
    this.reading += 1;
    try {
      yield* this.objects(start, end, signal, onTrouble);
    } finally {
      this.reading -= 1;
    }
  }

  protected abstract objects(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener,
  ): AsyncGenerator<LedgerObject, void, undefined>;

  protected object(ledger: number): LedgerObject {
    const ledgerFirst = ledger - (ledger % this.size);
    const bytes = new Uint8Array(1);
    const name = `${this.description}, ledger ${ledger}`;
    return {
      name,
      ledgerFirst,
      ledgerLast: ledgerFirst + this.size - 1,
      encoding: "none",
      container: "ledger",
      bytes,
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Whole files, some way behind the network; with holes and stalls for a while. */
export class SimulatedLake extends SimulatedMember {
  readonly seekable = true;
  private readonly behind: number;

  constructor(
    world: World,
    description: string,
    private readonly files: number,
  ) {
    super(description, world, files);
    this.behind = Math.floor(world.random() * 30);
  }

  get oldest(): number {
    return this.world.first;
  }

  get newest(): number {
    const whole = this.world.newest - this.behind + 1;
    return whole - (whole % this.files) - 1;
  }

  protected async *objects(start: number, end: number, signal: AbortSignal, onTrouble: TroubleListener) {
    for (let next = start; !signal.aborted && (end === 0 || next <= end); ) {
      const object = this.object(next);
      if (this.world.chance(0.02)) throw this.world.pick(missing(`${next} is a hole`), away("the store is away"));
      if (this.world.chance(0.01)) throw new CodedError("DATA_LOSS", "ZSTD_CORRUPT", `${next} is damaged`);
      if (this.world.chance(0.02)) onTrouble(missing(`${next} is late`), 0);
      else if (object.ledgerLast > this.newest) {
        if (end !== 0) throw new CodedError("OUT_OF_RANGE", "LEDGER_AFTER_SOURCE", `no ${end} yet`);
        onTrouble(next > this.newest + 1 ? missing(`far from ${next}`) : undefined, 0);
      } else {
        yield object;
        next = object.ledgerLast + 1;
        continue;
      }
      await Bun.sleep(1);
    }
  }
}

/** Ledger by ledger, from a window of the newest on; hostile at times. */
export class SimulatedTip extends SimulatedMember {
  private readonly window: number;

  constructor(
    world: World,
    description: string,
    readonly seekable: boolean,
  ) {
    super(description, world, 1);
    this.window = 1 + Math.floor(world.random() * 40);
  }

  get newest(): number {
    return this.world.newest;
  }

  get oldest(): number {
    return this.world.newest - this.window;
  }

  protected async *objects(start: number, end: number, signal: AbortSignal, onTrouble: TroubleListener) {
    const { world } = this;
    if (start < this.oldest) {
      if (this.seekable) throw new CodedError("OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE", `the oldest is ${this.oldest}`);
      await silence(signal); // a live stream that cannot begin there
      return;
    }
    for (let next = start; !signal.aborted && (end === 0 || next <= end); ) {
      if (world.chance(0.02)) return;
      if (world.chance(0.02))
        throw world.pick(away("broken off"), new CodedError("DATA_LOSS", "RAW_LEDGER", "no ledger"));
      if (world.chance(0.01)) await silence(world.pick(signal, new AbortController().signal), 200); // deaf to its end
      if (world.chance(0.02)) yield this.object(Math.max(1, next - 1 - Math.floor(world.random() * 3)));
      if (world.chance(0.02)) yield this.object(next + 1 + Math.floor(world.random() * 3));
      if (next > this.newest) {
        if (this.seekable) onTrouble(undefined, 0);
        await Bun.sleep(1);
        continue;
      }
      yield this.object(next++);
    }
  }
}

async function silence(signal: AbortSignal, msMax = 1_000): Promise<void> {
  for (let ms = 0; ms < msMax && !signal.aborted; ms += 2) await Bun.sleep(2);
}
