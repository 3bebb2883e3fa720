// The bar of shares: contributions that pull with the sum run to the right of the axis, those
// that work against it to the left. The shares of one node add up to 1.

import { s } from "../dom";
import type { Box } from "../layout/nested";
import type { LedgerNode } from "../model/ledger";
import type { Metrics } from "../model/metrics";

const HEIGHT = 5;

export interface Segment {
  edge: number;
  share: number;
  from: number;
  to: number;
}

/** Segments along an axis on which the whole reaches from −negative to +positive. */
export function segments(shares: { edge: number; share: number }[]): { parts: Segment[]; low: number; high: number } {
  let [low, high] = [0, 0];
  const parts = shares.map(({ edge, share }): Segment => {
    if (share < 0) {
      low += share;
      return { edge, share, from: low, to: low - share };
    }
    high += share;
    return { edge, share, from: high - share, to: high };
  });
  return { parts, low, high };
}

export function sharesOf(node: LedgerNode, metrics: Metrics): { edge: number; share: number }[] {
  if (node.arrived.length < 2) return [];
  return node.arrived
    .map((id) => ({ edge: id, share: metrics.share(metrics.ledger.edges[id]!) }))
    .filter((item): item is { edge: number; share: number } => item.share !== null && Number.isFinite(item.share));
}

export function drawShares(node: LedgerNode, box: Box, metrics: Metrics): SVGElement[] {
  if (node.arrived.length < 2) return [];
  const cancels = node.arrived.some((id) => metrics.ledger.edges[id]!.cancels) && metrics.step === null;
  const y = box.height + 3;
  if (cancels) return [s("text", { class: "cancels", x: box.width / 2, y: y + 9, "text-anchor": "middle" }, "cancels")];
  const shares = sharesOf(node, metrics);
  if (!shares.length) return [];
  const { parts, low, high } = segments(shares);
  const scale = (box.width - 12) / (high - low || 1);
  const at = (share: number): number => 6 + (share - low) * scale;
  const marks: SVGElement[] = parts.map((part, index) => s("rect", {
    class: `share ${part.share < 0 ? "against" : "with"} tint-${index % 3}`,
    x: at(part.from).toFixed(1), y, height: HEIGHT, width: Math.max(0.8, (part.to - part.from) * scale - 0.8).toFixed(1),
  }));
  marks.push(s("line", { class: "share-axis", x1: at(0), x2: at(0), y1: y - 1.5, y2: y + HEIGHT + 1.5 }));
  return marks;
}
