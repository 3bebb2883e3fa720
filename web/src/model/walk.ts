// Moving through what is visible with the arrow keys: right towards the loss, left towards the
// parameters, up and down among the items beside.

import type { Layout } from "../layout/nested";
import { isGroup, type Item } from "./items";
import { isOpen, type View } from "./view";

export type Direction = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";

export function neighbour(from: Item | null, direction: Direction, view: View, layout: Layout): Item | null {
  const boxes = [...layout.boxes].filter(([item]) => !isOpen(item, view.expanded));
  if (!from) return boxes.sort((a, b) => b[1].x - a[1].x)[0]?.[0] ?? null;
  const here = layout.boxes.get(from);
  if (!here) return null;
  if (direction === "ArrowLeft" || direction === "ArrowRight") {
    const forward = direction === "ArrowRight";
    const linked = view.edges
      .filter((edge) => (forward ? edge.source : edge.consumer) === from)
      .map((edge) => (forward ? edge.consumer : edge.source));
    return nearest(linked, here.y, layout);
  }
  const centre = here.x + here.width / 2;
  const sign = direction === "ArrowDown" ? 1 : -1;
  const beside = boxes
    .filter(([item, box]) => item !== from && sign * (box.y - here.y) > 4)
    .map(([item, box]) => ({ item, cost: Math.abs(box.y - here.y) + 2 * Math.abs(box.x + box.width / 2 - centre) }));
  return beside.sort((a, b) => a.cost - b.cost)[0]?.item ?? null;
}

function nearest(items: Item[], y: number, layout: Layout): Item | null {
  const cost = (item: Item): number => {
    const parameter = !isGroup(item) && item.node.kind === "parameter";
    return Math.abs((layout.boxes.get(item)?.y ?? 0) - y) + (parameter ? 1e6 : 0);
  };
  return items.reduce<Item | null>((best, item) => (!best || cost(item) < cost(best) ? item : best), null);
}
