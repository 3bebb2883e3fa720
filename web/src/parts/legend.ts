// How to read the marks, in the corner of the graph.

import { GAIN_DECADES, THICKEST, THINNEST, type Scales } from "../draw/scales";
import { clear, h, s } from "../dom";
import { show } from "../model/format";
import type { RunMode } from "../state";

function colourBar(scales: Scales): SVGElement {
  const stops = Array.from({ length: 25 }, (_, index) => (index / 24) * 2 * GAIN_DECADES - GAIN_DECADES);
  return s("svg", { width: 100, height: 8 }, ...stops.map((decade, index) =>
    s("rect", { x: index * 4, width: 4.2, height: 8, fill: scales.colour(10 ** decade) })));
}

function wedge(): SVGElement {
  return s("svg", { width: 100, height: THICKEST + 1 },
    s("path", { class: "wedge", d: `M0 ${(THICKEST - THINNEST) / 2}L100 0V${THICKEST}L0 ${(THICKEST + THINNEST) / 2}Z` }));
}

function sample(kind: string): SVGElement {
  const line = (name: string, width: number): SVGElement => s("path", { class: name, d: "M1 5H27", "stroke-width": width });
  const parts = kind === "zero" ? [line("edge-line edge-rim", 5), line("edge-core", 2.6)] : [line("edge-line", kind === "cut" ? 1.6 : 5)];
  return s("svg", { width: 28, height: 10, class: "sample" }, s("g", { class: `edge edge-${kind}` }, ...parts));
}

export function renderLegend(element: HTMLElement, scales: Scales, mode: RunMode): void {
  clear(element);
  const [low, high] = scales.domain;
  const item = (label: string, mark: Element, ends?: [string, string]): HTMLElement => h("div", { class: "item" },
    h("span", { class: "name" }, label),
    h("span", { class: "scale" }, ends ? h("small", {}, ends[0]) : null, mark, ends ? h("small", {}, ends[1]) : null));
  const gain = mode === "difference" ? "other ÷ this" : "gain";
  element.append(
    item(gain, colourBar(scales), [`÷${10 ** GAIN_DECADES}`, `×${10 ** GAIN_DECADES}`]),
    item("norm", wedge(), [show(10 ** low, 2), show(10 ** high, 2)]),
    h("div", { class: "samples" },
      h("span", {}, sample("cut"), "cut"), h("span", {}, sample("nonfinite"), "not finite"), h("span", {}, sample("zero"), "exact zero")),
    h("div", { class: "samples" }, h("span", { class: "value" }, "value"), h("span", { class: "over" }, "over"), h("span", { class: "gradient" }, "gradient"),
      h("span", { class: "muted" }, "· gradients flow ←")),
  );
}
