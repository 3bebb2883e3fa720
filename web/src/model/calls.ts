// Which call of a module an operation belongs to. A module runs from beginning to end before
// anything else does, so its operations lie side by side in forward order; where they lie in
// several stretches it was called several times. Calls that follow each other without a gap are
// told apart by the steps the recorder counted.

import type { Ledger, LedgerNode } from "./ledger";

export interface Call {
  /** The outermost module that was called several times. */
  outer: string;
  number: number;
}

/** "", "a", "a.b" for "a.b". */
export function ancestors(path: string): string[] {
  const result = [""];
  if (!path) return result;
  const parts = path.split(".");
  parts.forEach((_, index) => result.push(parts.slice(0, index + 1).join(".")));
  return result;
}

interface Run {
  calls: number;
  last: number;
  byNode: Map<number, number>;
  steps: Set<number>;
  stepless: boolean;
}

export function callsOf(ledger: Ledger): (node: LedgerNode) => Call | null {
  const runs = new Map<string, Run>();
  let place = 0;
  for (const node of ledger.nodes) {
    if (node.kind !== "op") continue;
    place++;
    for (const path of ancestors(node.module)) {
      let run = runs.get(path);
      if (!run) runs.set(path, (run = { calls: 0, last: -1, byNode: new Map(), steps: new Set(), stepless: false }));
      if (run.last !== place - 1) run.calls++;
      run.last = place;
      run.byNode.set(node.id, run.calls - 1);
      if (node.step === null) run.stepless = true;
      else run.steps.add(node.step);
    }
  }
  return (node) => {
    if (node.kind !== "op") return null;
    for (const outer of ancestors(node.module)) {
      const run = runs.get(outer)!;
      if (run.calls > 1) return { outer, number: run.byNode.get(node.id)! };
      if (!run.stepless && run.steps.size > 1) return { outer, number: node.step! };
    }
    return null;
  };
}
