// Another run on this run's layout: the same nodes and edges, with the other's numbers wherever
// the two line up and nothing where they do not.

import type { Comparison, Ledger, LedgerEdge, LedgerNode, Step } from "./ledger";

const NO_EDGE_NUMBERS = {
  norm: null, rms: null, share: null, cosine: null, gain: null, zeros: null, nonfinite: 0, cancels: false,
};

export function aligned(here: Ledger, comparison: Comparison): Ledger {
  const { other } = comparison;
  const nodes = here.nodes.map((node): LedgerNode => {
    const there = other.nodes[comparison.nodes.get(node.id) ?? -1];
    return {
      ...node,
      value: there?.value ?? null,
      upstream: there?.upstream ?? null,
      balance: there?.balance ?? null,
      birth: there?.birth ?? null,
      absence: there ? there.absence : "not in the other run",
    };
  });
  const edges = here.edges.map((edge): LedgerEdge => {
    const there = other.edges[comparison.edges.get(edge.id) ?? -1];
    if (!there) return { ...edge, ...NO_EDGE_NUMBERS };
    return { ...there, id: edge.id, source: edge.source, consumer: edge.consumer };
  });
  const steps = other.steps.map((step): Step => ({
    step: step.step,
    loss: step.loss,
    upstream: here.nodes.map((node) => step.upstream[comparison.nodes.get(node.id) ?? -1] ?? null),
    edge: here.edges.map((edge) => step.edge[comparison.edges.get(edge.id) ?? -1] ?? null),
    share: here.edges.map((edge) => step.share[comparison.edges.get(edge.id) ?? -1] ?? null),
  }));
  return { ...other, nodes, edges, steps, compare: null, findings: [] };
}
