/** Types that contain themselves, and how: what decides between calls, loops and a depth that is counted. */
import type { Type } from "./model.ts";

export function children(type: Type): Type[] {
  switch (type.kind) {
    case "array":
    case "list":
    case "option":
      return [type.of];
    case "struct":
      return type.fields.map(([, field]) => field);
    case "union":
      return type.arms.flatMap((arm) => (arm.type === null ? [] : [arm.type]));
    default:
      return [];
  }
}

export const recursive = new Set<Type>();
export const holdsRecursive = new Set<Type>();
/** Finds the types that contain themselves (each such level counts as one of depth) and all that contain those. */
export function findRecursion(root: Type): void {
  const state = new Map<Type, "open" | "done">();
  const visit = (type: Type): void => {
    if (state.get(type) === "done") return;
    if (state.get(type) === "open") {
      recursive.add(type);
      return;
    }
    state.set(type, "open");
    for (const child of children(type)) visit(child);
    state.set(type, "done");
  };
  visit(root);
  for (let grown = true; grown; ) {
    grown = false;
    for (const type of state.keys()) {
      if (holdsRecursive.has(type)) continue;
      if (recursive.has(type) || children(type).some((child) => holdsRecursive.has(child))) {
        holdsRecursive.add(type);
        grown = true;
      }
    }
  }
}

/** How many values of `inner`, and nothing else, one list element is made of; 0 where it is something else. */
export function multiplicity(element: Type, inner: Type): number {
  if (element === inner) return 1;
  if (element.kind !== "struct" || element.fields.some(([, field]) => field !== inner)) return 0;
  return element.fields.length;
}

/** Whether `type` holds `inner` at most as a list at its very end, so that a loop can take the place of recursion. */
export function endsInListOf(type: Type, inner: Type): boolean {
  switch (type.kind) {
    case "option":
      return endsInListOf(type.of, inner);
    case "list":
      return multiplicity(type.of, inner) > 0 || !holds(type.of, inner);
    case "struct":
      return type.fields.every(([, field], i) =>
        i === type.fields.length - 1 ? endsInListOf(field, inner) : !holds(field, inner),
      );
    default:
      return !holds(type, inner);
  }
}

export function holds(type: Type, inner: Type, seen = new Set<Type>()): boolean {
  if (type === inner) return true;
  if (seen.has(type)) return false;
  seen.add(type);
  return children(type).some((child) => holds(child, inner, seen));
}
