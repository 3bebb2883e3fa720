// One mark an edge: width = log norm, colour = log gain, dashed = cut, hatched = non-finite,
// hollow = exact zero.

import { curveBumpX, curveMonotoneX, line } from "d3-shape";
import { s } from "../dom";
import type { Point } from "../layout/nested";
import type { Flow } from "../model/metrics";
import type { VisibleEdge } from "../model/view";
import type { Scales } from "./scales";

const smooth = line<Point>((point) => point.x, (point) => point.y).curve(curveMonotoneX);
const backwards = line<Point>((point) => point.x, (point) => point.y).curve(curveBumpX);

/** How far an edge runs level where it leaves and enters an item. */
const LEVEL = 5;

/** Edges leave and arrive level and never overshoot; one that must turn back is drawn in bends. */
export function pathOf(route: Point[]): string {
  const [first, last] = [route[0]!, route.at(-1)!];
  const way = [first, { x: first.x + LEVEL, y: first.y }, ...route.slice(1, -1), { x: last.x - LEVEL, y: last.y }, last];
  const forward = way.every((point, index) => index === 0 || point.x > way[index - 1]!.x);
  return (forward ? smooth(way) : backwards(route)) ?? "";
}

export function edgeState(flow: Flow): "cut" | "nonfinite" | "zero" | "flow" {
  if (flow.cut) return "cut";
  if (flow.nonfinite || (flow.norm !== null && !Number.isFinite(flow.norm))) return "nonfinite";
  if (flow.zero) return "zero";
  return "flow";
}

/** Draws (or redraws) the mark for an edge into its group element. */
export function drawEdge(mark: SVGGElement, edge: VisibleEdge, route: Point[], flow: Flow, scales: Scales): void {
  const d = pathOf(route);
  const state = edgeState(flow);
  const width = scales.width(flow.norm);
  mark.setAttribute("class", `edge edge-${state}`);
  mark.dataset.edge = edge.id;
  mark.style.setProperty("--width", width.toFixed(2));
  const parts: SVGElement[] = [s("path", { class: "edge-hit", d })];
  if (state === "zero") {
    parts.push(
      s("path", { class: "edge-line edge-rim", d, "stroke-width": 5 }),
      s("path", { class: "edge-core", d, "stroke-width": 2.6 }),
    );
  } else {
    const colour = state === "flow" ? scales.colour(flow.gain) : undefined;
    parts.push(s("path", {
      class: "edge-line", d, "stroke-width": state === "cut" ? 1.6 : width.toFixed(2), stroke: colour,
    }));
  }
  mark.replaceChildren(...parts);
}
