// Where edges touch an item: each as near as it can to the height from which its line runs
// straight, in order, and apart from its neighbours.

import type { Item } from "../model/items";
import type { VisibleEdge } from "../model/view";
import type { Box, Layout } from "./nested";

const GAP = 12;
const MARGIN = 8;

interface End {
  edge: VisibleEdge;
  wish: number;
  first: boolean;
}

function middle(box: Box): number {
  return box.y + box.height / 2;
}

export function attachEnds(edges: VisibleEdge[], layout: Layout): void {
  const sides = new Map<string, { box: Box; ends: End[] }>();
  const add = (item: Item, edge: VisibleEdge, first: boolean): void => {
    const box = layout.boxes.get(item)!;
    const way = layout.routes.get(edge)!;
    const near = first ? way[0] : way.at(-1);
    // Two neighbours meet half way; otherwise the line comes from its next bend.
    const other = layout.boxes.get(first ? edge.consumer : edge.source)!;
    const wish = near?.y ?? (middle(box) + middle(other)) / 2;
    const key = `${item.id}${first ? ">" : "<"}`;
    const side = sides.get(key) ?? sides.set(key, { box, ends: [] }).get(key)!;
    side.ends.push({ edge, wish, first });
  };
  for (const edge of edges) {
    add(edge.source, edge, true);
    add(edge.consumer, edge, false);
  }
  for (const { box, ends } of sides.values()) {
    ends.sort((a, b) => a.wish - b.wish);
    const heights = spread(ends.map((end) => end.wish), box.y + MARGIN, box.y + box.height - MARGIN);
    ends.forEach(({ edge, first }, index) => {
      const way = layout.routes.get(edge)!;
      if (first) way.unshift({ x: box.x + box.width, y: heights[index]! });
      else way.push({ x: box.x, y: heights[index]! });
    });
  }
}

/** The wishes, in order, moved apart and into the range. */
export function spread(wishes: number[], low: number, high: number): number[] {
  const gap = Math.min(GAP, (high - low) / wishes.length);
  const result: number[] = [];
  for (const wish of wishes) result.push(Math.max(wish, result.length ? result.at(-1)! + gap : low));
  for (let index = result.length - 1, most = high; index >= 0; index--, most -= gap) {
    result[index] = Math.min(result[index]!, most, (result[index + 1] ?? Infinity) - gap);
  }
  return result;
}
