// One node's gradient norm over the recorded steps.

import uPlot from "uplot";
import type { Context } from "../context";
import { h } from "../dom";
import { show } from "../model/format";

function powers(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / 4));
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    .filter((power) => power % every === 0).map((power) => 10 ** power);
}

export function seriesChart(node: number, context: Context): HTMLElement {
  const host = h("div", { class: "series-chart" });
  const steps = context.ledger.steps;
  const norms = steps.map((step) => {
    const norm = step.upstream[node] ?? null;
    return norm !== null && Number.isFinite(norm) && norm > 0 ? norm : null;
  });
  if (norms.every((norm) => norm === null)) return h("p", { class: "note" }, "No gradient was recorded for it.");
  const style = getComputedStyle(context.root);
  const ink = style.getPropertyValue("--ink-3").trim();
  const line = style.getPropertyValue("--line").trim();
  const gradient = style.getPropertyValue("--gradient").trim();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "10px sans-serif" };
  new uPlot(
    {
      width: 330, height: 110, legend: { show: false }, padding: [8, 8, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [{ ...axis, size: 24 }, { ...axis, size: 52, splits: (_plot, _index, low, high) => powers(low, high), values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : show(tick, 2))) }],
      series: [{}, { stroke: gradient, width: 1.5, points: { show: steps.length < 40, size: 4 } }],
    },
    [steps.map((step) => step.step), norms],
    host,
  );
  return host;
}
