// Filters dim what does not match; nothing is taken out of the picture.

import type { Filters } from "../state";
import { isGroup, leavesOf, type Item } from "./items";
import type { LedgerNode } from "./ledger";
import type { Metrics } from "./metrics";

export interface FilterKind {
  id: string;
  label: string;
  test: (node: LedgerNode, metrics: Metrics) => boolean;
}

export const FILTERS: FilterKind[] = [
  { id: "finding", label: "with a finding", test: (node, metrics) => metrics.ledger.findings.some((finding) => finding.node === node.id) },
  { id: "parameter", label: "parameters", test: (node) => node.kind === "parameter" },
  { id: "join", label: "joins (several contributions)", test: (node) => node.arrived.length > 1 },
  { id: "against", label: "a branch works against the sum", test: (node, metrics) => node.arrived.some((id) => (metrics.share(metrics.ledger.edges[id]!) ?? 0) < 0) },
  { id: "zero", label: "gradient exactly zero or absent", test: (node, metrics) => !metrics.upstreamNorm(node) },
  { id: "nonfinite", label: "not finite", test: (node, metrics) => Boolean(metrics.step === null && (node.upstream?.nonfinite || node.value?.nonfinite)) || !Number.isFinite(metrics.upstreamNorm(node) ?? 0) },
  { id: "broadcast", label: "summed over a broadcast axis", test: (node, metrics) => node.downstream.some((id) => metrics.ledger.edges[id]!.reducedAxes.length > 0) },
  { id: "shared", label: "shared (several names or calls)", test: (node) => node.names.length > 1 || (node.kind === "parameter" && node.arrived.length > 1) },
];

function extremeGain(node: LedgerNode, metrics: Metrics, decades: number): boolean {
  return node.downstream.some((id) => {
    const gain = metrics.gain(metrics.ledger.edges[id]!);
    return gain !== null && (gain === 0 || Math.abs(Math.log10(Math.abs(gain))) >= decades);
  });
}

export function active(filters: Filters): boolean {
  return filters.kinds.size > 0 || filters.gain > 0;
}

export function nodeMatches(node: LedgerNode, filters: Filters, metrics: Metrics): boolean {
  for (const kind of FILTERS) {
    if (filters.kinds.has(kind.id) && !kind.test(node, metrics)) return false;
  }
  return filters.gain <= 0 || extremeGain(node, metrics, filters.gain);
}

export function matchingNodes(filters: Filters, metrics: Metrics): Set<number> {
  return new Set(metrics.ledger.nodes.filter((node) => nodeMatches(node, filters, metrics)).map((node) => node.id));
}

export function itemMatches(item: Item, matching: ReadonlySet<number>): boolean {
  return isGroup(item) ? leavesOf(item).some((id) => matching.has(id)) : matching.has(item.node.id);
}
