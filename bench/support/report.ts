/** What a bench reports: figures by the names of bench/targets.ts, written to bench/results and judged at the end. */
import { basename } from "node:path";
import { type Bench, type FIGURES, figureOf } from "../targets.ts";
import { compare, readBaseline, verdictLine } from "./comparison.ts";
import { commit, type Found, machine, median, RESULTS, versions, writeResult } from "./result.ts";

interface Places {
  results: string;
  /** Default: bench/baseline.json. */
  baseline?: string;
}

export class Report<B extends Bench> {
  private readonly figures: Record<string, Found> = {};
  private readonly raw: Record<string, number[]> = {};
  private readonly machine = machine(); // before the bench itself makes load

  constructor(
    private readonly bench: B,
    private readonly command = [basename(process.argv[1]!), ...process.argv.slice(2)].join(" "),
    private readonly places: Places = { results: RESULTS },
  ) {}

  /**
   * @param samples all of them, in order; none leaves the figure out
   * @param value default: their median
   */
  figure(name: keyof (typeof FIGURES)[B] & string, samples: readonly number[], value?: number): void {
    if (samples.length === 0) return;
    const { unit } = figureOf(this.bench, name);
    this.figures[name] = { unit, value: value ?? median(samples), samples: [...samples] };
  }

  /** Keeps measurements that figures were made of. */
  keep(name: string, samples: readonly number[]): void {
    this.raw[name] = [...samples];
  }

  /** Writes the result, and prints what it is worth. Answers with the exit status: 1 where a target is missed or a ratio has got worse. */
  finish(): number {
    const result = {
      bench: this.bench,
      command: this.command,
      at: new Date().toISOString(),
      commit: commit(),
      machine: this.machine,
      versions: versions(),
      figures: this.figures,
      ...(Object.keys(this.raw).length === 0 ? {} : { raw: this.raw }),
    };
    writeResult(result, this.places.results);
    const verdicts = compare(result, readBaseline(this.places.baseline));
    console.log();
    for (const verdict of verdicts) console.log(verdictLine(verdict));
    return verdicts.some(({ isMissed, isRegression }) => isMissed || isRegression) ? 1 : 0;
  }
}
