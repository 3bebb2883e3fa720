// From the loss to one value: every edge the gradient takes, and the thickest single route.

import type { Ledger, LedgerNode } from "./ledger";
import type { Metrics } from "./metrics";

export interface Route {
  nodes: Set<number>;
  edges: Set<number>;
  /** The edges of the thickest route, from the target up to the loss. */
  thickest: number[];
}

function weight(id: number, metrics: Metrics): number {
  const edge = metrics.ledger.edges[id]!;
  const share = metrics.share(edge);
  if (share !== null && Number.isFinite(share)) return Math.abs(share);
  const norm = metrics.edgeNorm(edge);
  return norm !== null && Number.isFinite(norm) ? norm : 0;
}

export function routeTo(target: LedgerNode, metrics: Metrics): Route {
  const { ledger } = metrics;
  const nodes = new Set([target.id]);
  const edges = new Set<number>();
  const queue = [target.id];
  while (queue.length) {
    const node = ledger.nodes[queue.pop()!]!;
    for (const id of node.arrived) {
      edges.add(id);
      const { consumer } = ledger.edges[id]!;
      if (nodes.has(consumer)) continue;
      nodes.add(consumer);
      queue.push(consumer);
    }
  }
  const thickest: number[] = [];
  const seen = new Set<number>();
  for (let at = target; at.arrived.length && !seen.has(at.id); ) {
    seen.add(at.id);
    const next = at.arrived.reduce((best, id) => (weight(id, metrics) > weight(best, metrics) ? id : best));
    thickest.push(next);
    at = ledger.nodes[ledger.edges[next]!.consumer]!;
  }
  return { nodes, edges, thickest };
}

/** The product of the shares along the thickest route: how much of the gradient came this way. */
export function carried(ledger: Ledger, route: Route): number | null {
  let part = 1;
  for (const id of route.thickest) {
    const { share } = ledger.edges[id]!;
    if (share === null || !Number.isFinite(share)) return null;
    part *= share;
  }
  return part;
}
