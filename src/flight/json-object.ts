/** Reads a JSON object that a client sent, strictly: an unknown key or a wrong type is an error that names the key. */

import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { Reason } from "../reasons/registry.ts";

const DEPTH_MAX = 16; // what clients send nests three deep; JSON.parse takes a second for four million brackets
const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]); // [ {
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]); // ] }

/** Whether brackets outside of strings nest deeper than `depthMax`, in text that need not be JSON. */
export function isNestedDeeper(text: string, depthMax: number = DEPTH_MAX): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (inString) {
      if (unit === BACKSLASH) at += 1;
      else if (unit === QUOTE) inString = false;
    } else if (unit === QUOTE) inString = true;
    else if (OPENING.has(unit)) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (CLOSING.has(unit)) depth -= 1;
  }
  return false;
}

/** A value of a stranger's JSON for a sentence: `the text "2"`, `7`, `a list`. */
function described(value: unknown): string {
  if (typeof value === "string") return `the text ${quoted(value)}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : String(value);
}

function invalid(reason: Reason, message: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", reason, message);
}

/**
 * An object whose keys are taken one by one; `end` then refuses what is left. A key that is null counts as absent, and
 * the methods that take it return undefined.
 * @throws CodedError INVALID_ARGUMENT / KEY_INVALID from these methods, where the value has another type or size
 */
export class JsonObject {
  private readonly left: Set<string>;

  /** @param what how errors call the object: `ticket`, `filters in the ticket` */
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    readonly what: string,
  ) {
    this.left = new Set(Object.keys(values));
  }

  /** @throws CodedError INVALID_ARGUMENT / JSON_INVALID */
  static parse(text: string, what: string, example: string): JsonObject {
    if (isNestedDeeper(text)) {
      throw invalid(
        "JSON_INVALID",
        `the ${what} is nested deeper than ${DEPTH_MAX}: it must be an object like ${example}`,
      );
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw invalid("JSON_INVALID", `the ${what} is not JSON: it must be an object like ${example}`);
    }
    return JsonObject.of(value, what, example);
  }

  static of(value: unknown, what: string, example: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw invalid("JSON_INVALID", `the ${what} must be a JSON object like ${example}`);
    }
    return new JsonObject(value as Record<string, unknown>, what);
  }

  /** Keys that have not been taken. */
  get keys(): string[] {
    return [...this.left];
  }

  has(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  /** The value as it is; undefined where it is absent or null. */
  take(key: string): unknown {
    this.left.delete(key);
    return Object.hasOwn(this.values, key) ? (this.values[key] ?? undefined) : undefined;
  }

  text(key: string): string | undefined {
    const value = this.take(key);
    if (value === "")
      throw invalid("KEY_INVALID", `"${key}" in the ${this.what} must not be empty: leave it out, or give a text`);
    if (value !== undefined && typeof value !== "string") throw this.wrong(key, "a text");
    return value;
  }

  boolean(key: string): boolean | undefined {
    const value = this.take(key);
    if (value !== undefined && typeof value !== "boolean") throw this.wrong(key, "true or false");
    return value;
  }

  integer(key: string, min: number, max: number): number | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (typeof value === "string" && /^\d{1,15}$/.test(value)) {
      throw invalid(
        "KEY_INVALID",
        `"${key}" in the ${this.what} is the text ${quoted(value)}: write a number, ${Number(value)}, without quotes`,
      );
    }
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw this.wrong(key, `an integer from ${min} to ${max}`);
    }
    return value;
  }

  texts(key: string): string[] | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
      throw this.wrong(key, "a list of texts");
    return value as string[];
  }

  oneOf<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    if (!choices.includes(value as T)) throw this.wrong(key, `one of ${choices.join(", ")}`);
    return value as T;
  }

  object(key: string, example: string): JsonObject | undefined {
    const value = this.take(key);
    return value === undefined ? undefined : JsonObject.of(value, `"${key}" of the ${this.what}`, example);
  }

  /** @param expected completes the sentence "it must be …" */
  wrong(key: string, expected: string): CodedError {
    return invalid(
      "KEY_INVALID",
      `"${key}" in the ${this.what} is ${described(this.values[key])}, and must be ${expected}`,
    );
  }

  missing(key: string, expected: string): CodedError {
    return invalid("KEY_MISSING", `"${key}" is missing in the ${this.what}: give ${expected}`);
  }

  /** Call when every known key has been taken. @throws CodedError INVALID_ARGUMENT / KEY_UNKNOWN */
  end(): void {
    const [unknown] = this.left;
    if (unknown !== undefined) {
      throw invalid("KEY_UNKNOWN", `the ${this.what} has an unknown key ${quoted(unknown)}`);
    }
  }
}
