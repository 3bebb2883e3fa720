// The numbers behind every mark, for one run at one recorded step. Step null is the ledger's own
// sweep; other steps carry norms and shares only, from which rms and gain follow.

import { contains, isGroup, leavesOf, type Item } from "./items";
import type { Ledger, LedgerEdge, LedgerNode, Stats } from "./ledger";
import type { VisibleEdge } from "./view";

export interface Flow {
  norm: number | null;
  rms: number | null;
  gain: number | null;
  share: number | null;
  nonfinite: boolean;
  zero: boolean;
  cut: boolean;
  cancels: boolean;
}

export class Metrics {
  private readonly outputs = new Map<Item, LedgerNode | null>();
  private readonly arrivals = new Map<Item, number | null>();

  constructor(readonly ledger: Ledger, readonly step: number | null = null) {}

  private get recorded() {
    return this.step === null ? null : (this.ledger.steps[this.step] ?? null);
  }

  loss(): number | null {
    return this.recorded ? this.recorded.loss : this.ledger.loss;
  }

  /** The forward value; recorded steps know gradients only. */
  value(node: LedgerNode): Stats | null {
    return this.recorded ? null : node.value;
  }

  edgeNorm(edge: LedgerEdge): number | null {
    return this.recorded ? (this.recorded.edge[edge.id] ?? null) : edge.norm;
  }

  share(edge: LedgerEdge): number | null {
    return this.recorded ? (this.recorded.share[edge.id] ?? null) : edge.share;
  }

  upstreamNorm(node: LedgerNode): number | null {
    return this.recorded ? (this.recorded.upstream[node.id] ?? null) : (node.upstream?.norm ?? null);
  }

  upstreamRms(node: LedgerNode): number | null {
    if (!this.recorded) return node.upstream?.rms ?? null;
    const norm = this.upstreamNorm(node);
    const size = node.upstream?.size ?? node.shape.reduce((product, extent) => product * extent, 1);
    return norm === null || !size ? null : norm / Math.sqrt(size);
  }

  edgeRms(edge: LedgerEdge): number | null {
    if (!this.recorded) return edge.rms;
    const norm = this.edgeNorm(edge);
    return norm === null || !edge.size ? null : norm / Math.sqrt(edge.size);
  }

  gain(edge: LedgerEdge): number | null {
    if (!this.recorded) return edge.gain;
    return ratio(this.edgeRms(edge), this.upstreamRms(this.ledger.nodes[edge.consumer]!));
  }

  private rmsOver(edges: LedgerEdge[]): number | null {
    const known = edges.filter((edge) => this.edgeNorm(edge) !== null);
    const size = known.reduce((total, edge) => total + edge.size, 0);
    if (!size) return null;
    return Math.hypot(...known.map((edge) => this.edgeNorm(edge)!)) / Math.sqrt(size);
  }

  /** Rms of what reaches a group from outside; for a leaf, of the sum that arrived. */
  arriving(item: Item): number | null {
    if (!isGroup(item)) return this.upstreamRms(item.node);
    let known = this.arrivals.get(item);
    if (known === undefined) this.arrivals.set(item, (known = this.groupArriving(item)));
    return known;
  }

  private groupArriving(item: Item): number | null {
    const outside = this.boundary(item, "arrived");
    if (outside.length) return this.rmsOver(outside);
    const last = this.lastNode(item);
    return last ? this.upstreamRms(last) : null;
  }

  /** The edges over the border of an item: those that arrive, or those it sends on. */
  boundary(item: Item, side: "arrived" | "downstream"): LedgerEdge[] {
    const inside = new Set(leavesOf(item));
    const found: LedgerEdge[] = [];
    for (const id of inside) {
      for (const at of this.ledger.nodes[id]![side]) {
        const edge = this.ledger.edges[at];
        if (edge && !inside.has(side === "arrived" ? edge.consumer : edge.source)) found.push(edge);
      }
    }
    return found;
  }

  /** The node whose value and gradient stand for an item: a group's output. */
  lastNode(item: Item): LedgerNode | null {
    if (!isGroup(item)) return item.node;
    let known = this.outputs.get(item);
    if (known === undefined) this.outputs.set(item, (known = this.groupOutput(item)));
    return known;
  }

  private groupOutput(item: Item): LedgerNode | null {
    const out = this.boundary(item, "arrived").map((edge) => edge.source);
    const ids = out.length ? out : leavesOf(item).filter((id) => this.ledger.nodes[id]!.kind !== "parameter");
    if (!ids.length) return null;
    return this.ledger.nodes[ids.reduce((a, b) => Math.max(a, b))] ?? null;
  }

  flow(visible: VisibleEdge): Flow {
    const edges = visible.edges.map((id) => this.ledger.edges[id]!);
    const norms = edges.map((edge) => this.edgeNorm(edge)).filter((norm) => norm !== null);
    const only = edges.length === 1 ? edges[0]! : null;
    const rms = only ? this.edgeRms(only) : this.rmsOver(edges);
    const across = isGroup(visible.consumer) || !only;
    return {
      norm: norms.length ? Math.hypot(...norms) : null,
      rms,
      gain: across ? ratio(rms, this.arriving(visible.consumer)) : this.gain(only),
      share: only ? this.share(only) : null,
      nonfinite: this.recorded
        ? norms.some((norm) => !Number.isFinite(norm))
        : edges.some((edge) => edge.nonfinite > 0),
      zero: norms.length > 0 && norms.every((norm) => norm === 0),
      cut: visible.cut !== null || (edges.length > 0 && edges.every((edge) => edge.cut)),
      cancels: edges.some((edge) => edge.cancels),
    };
  }
}

export function ratio(over: number | null, under: number | null): number | null {
  if (over === null || under === null || !Number.isFinite(over) || !Number.isFinite(under)) return null;
  return under === 0 ? null : over / under;
}

/** The largest imbalance of all sums; one that is not finite has a finding of its own. */
export function imbalance(nodes: LedgerNode[]): number {
  return nodes.reduce((worst, { balance }) => (balance !== null && Number.isFinite(balance) ? Math.max(worst, balance) : worst), 0);
}

/** The range of log₁₀ norms over every recorded step of every run, so that scales stay put. */
export function normDomain(ledgers: Ledger[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  const take = (norm: number | null): void => {
    if (norm === null || !Number.isFinite(norm) || norm <= 0) return;
    low = Math.min(low, norm);
    high = Math.max(high, norm);
  };
  for (const ledger of ledgers) {
    for (const edge of ledger.edges) take(edge.norm);
    for (const step of ledger.steps) step.edge.forEach(take);
  }
  if (!Number.isFinite(low)) return [-1, 1];
  // Twelve decades below the largest, everything looks equally thin.
  const top = Math.log10(high);
  const bottom = Math.max(Math.log10(low), top - 12);
  return top - bottom < 0.5 ? [top - 1, top] : [bottom, top];
}

export function isInside(item: Item, group: Item): boolean {
  return isGroup(group) ? contains(group, item) : item === group;
}
