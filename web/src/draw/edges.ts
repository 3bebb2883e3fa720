// One mark an edge: width = log norm, colour = log gain, dashed = cut, hatched = non-finite,
// hollow = exact zero.

import { curveBumpX, line } from "d3-shape";
import { s } from "../dom";
import type { Point } from "../layout/nested";
import type { Flow } from "../model/metrics";
import type { VisibleEdge } from "../model/view";
import type { Scales } from "./scales";

const curve = line<Point>((point) => point.x, (point) => point.y).curve(curveBumpX);

export function pathOf(route: Point[]): string {
  return curve(route) ?? "";
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
