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

function runsOf(ledger: Ledger): Map<string, Run> {
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
  return runs;
}

/**
 * Modules that only hold others, which their owner runs one by one with operations in between
 * (`for stage in self.stages: x = relu(stage(x))`). Nobody calls such a list: it seems to run more
 * often than any of its members does.
 */
export function listsOf(ledger: Ledger, runs = runsOf(ledger)): Set<string> {
  const own = new Set(ledger.nodes.filter((node) => node.kind === "op").map((node) => node.module));
  const most = new Map<string, number>();
  for (const [path, run] of runs) {
    const holder = ancestors(path).at(-2);
    if (path && holder !== undefined) most.set(holder, Math.max(most.get(holder) ?? 0, run.calls));
  }
  const lists = [...runs].filter(([path, run]) => path && !own.has(path) && run.calls > (most.get(path) ?? run.calls));
  return new Set(lists.map(([path]) => path));
}

export function callsOf(ledger: Ledger): (node: LedgerNode) => Call | null {
  const runs = runsOf(ledger);
  const lists = listsOf(ledger, runs);
  return (node) => {
    if (node.kind !== "op") return null;
    for (const outer of ancestors(node.module)) {
      if (lists.has(outer)) continue;
      const run = runs.get(outer)!;
      if (run.calls > 1) return { outer, number: run.byNode.get(node.id)! };
      if (!run.stepless && run.steps.size > 1) return { outer, number: node.step! };
    }
    return null;
  };
}
