// Which part of the drawing is worth having in the page: what lies in or near the window, and
// nothing inside a group that is only a few pixels wide.

import type { Box, Layout } from "../layout/nested";
import type { Item } from "../model/items";
import type { View, VisibleEdge } from "../model/view";

export interface Rect {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** Below this width on the screen an open group is drawn as a plain box. */
const SMALLEST_OPEN = 36;

export function covers(outer: Rect | null, inner: Rect): boolean {
  return outer !== null && outer.x0 <= inner.x0 && outer.y0 <= inner.y0 && outer.x1 >= inner.x1 && outer.y1 >= inner.y1;
}

export function grow(rect: Rect, share: number): Rect {
  const dx = (rect.x1 - rect.x0) * share;
  const dy = (rect.y1 - rect.y0) * share;
  return { x0: rect.x0 - dx, y0: rect.y0 - dy, x1: rect.x1 + dx, y1: rect.y1 + dy };
}

function meets(box: Box, rect: Rect): boolean {
  return box.x <= rect.x1 && box.x + box.width >= rect.x0 && box.y <= rect.y1 && box.y + box.height >= rect.y0;
}

function tooSmall(item: Item, layout: Layout, zoom: number): boolean {
  for (let group = item.parent; group && group.kind !== "root"; group = group.parent) {
    const box = layout.boxes.get(group);
    if (box && box.width * zoom < SMALLEST_OPEN) return true;
  }
  return false;
}

export function itemsWithin(layout: Layout, rect: Rect, zoom: number): Set<Item> {
  const found = new Set<Item>();
  for (const [item, box] of layout.boxes) {
    if (meets(box, rect) && !tooSmall(item, layout, zoom)) found.add(item);
  }
  return found;
}

export function edgesWithin(view: View, layout: Layout, rect: Rect, zoom: number): Set<VisibleEdge> {
  const found = new Set<VisibleEdge>();
  for (const edge of view.edges) {
    const route = layout.routes.get(edge)!;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { x, y } of route) {
      x0 = Math.min(x0, x);
      y0 = Math.min(y0, y);
      x1 = Math.max(x1, x);
      y1 = Math.max(y1, y);
    }
    if (!meets({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, rect)) continue;
    if (tooSmall(edge.source, layout, zoom) && tooSmall(edge.consumer, layout, zoom)) continue;
    found.add(edge);
  }
  return found;
}
