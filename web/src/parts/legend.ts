// How to read the marks, at the foot of the graph.

import { GAIN_DECADES, THICKEST, THINNEST, type Scales } from "../draw/scales";
import { clear, h, s } from "../dom";
import { show } from "../model/format";
import type { RunMode } from "../state";

function colourBar(scales: Scales): SVGElement {
  const stops = Array.from({ length: 25 }, (_, index) => (index / 24) * 2 * GAIN_DECADES - GAIN_DECADES);
  return s("svg", { class: "bar", width: 75, height: 8, viewBox: "0 0 75 8", preserveAspectRatio: "none" }, ...stops.map((decade, index) =>
    s("rect", { x: index * 3, width: 3.2, height: 8, fill: scales.colour(10 ** decade) })));
}

function wedge(): SVGElement {
  return s("svg", { class: "bar", width: 75, height: THICKEST + 1, viewBox: `0 0 75 ${THICKEST + 1}`, preserveAspectRatio: "none" },
    s("path", { class: "wedge", d: `M0 ${(THICKEST - THINNEST) / 2}L75 0V${THICKEST}L0 ${(THICKEST + THINNEST) / 2}Z` }));
}

function sample(kind: string): SVGElement {
  const line = (name: string, width: number): SVGElement => s("path", { class: name, d: "M1 5H27", "stroke-width": width });
  const parts = kind === "zero" ? [line("edge-line edge-rim", 5), line("edge-core", 2.6)] : [line("edge-line", kind === "cut" ? 1.6 : 5)];
  return s("svg", { width: 28, height: 10, class: "sample" }, s("g", { class: `edge edge-${kind}` }, ...parts));
}

export function renderLegend(element: HTMLElement, scales: Scales, mode: RunMode): void {
  clear(element);
  const [low, high] = scales.domain.map((decade) => show(10 ** decade, 2));
  const item = (...parts: (Node | string)[]): HTMLElement => h("span", {}, ...parts);
  element.append(
    item(mode === "difference" ? "other ÷ this" : "gain", h("small", {}, `÷${10 ** GAIN_DECADES}`), colourBar(scales), h("small", {}, `×${10 ** GAIN_DECADES}`)),
    item("norm", h("small", {}, low!), wedge(), h("small", {}, high!)),
    item(sample("cut"), "cut"), item(sample("nonfinite"), "not finite"), item(sample("zero"), "exact zero"),
    item(h("span", { class: "value" }, "value"), "over", h("span", { class: "gradient" }, "gradient")),
    h("span", { class: "way" }, "← gradients flow"),
  );
}
