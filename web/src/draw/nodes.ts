// Closed items: an operation, a parameter, a closed group. Value stands over gradient, as in
// CS231n's drawings; a node where contributions meet carries a small signed bar of their shares.

import { s } from "../dom";
import { detailOf, farFont, titleOf } from "../layout/measure";
import type { Box } from "../layout/nested";
import { count, plural, show } from "../model/format";
import { isGroup, type Group, type Item, type Leaf } from "../model/items";
import type { Stats } from "../model/ledger";
import type { Metrics } from "../model/metrics";
import { drawShares } from "./shares";

export type Mark = "error" | "warning" | "note" | null;

/** A scalar is shown as itself, anything larger by its root mean square. */
export function valueText(stats: Stats | null): string {
  if (!stats) return "–";
  if (stats.size === 1 && stats.mean !== null) return show(stats.mean);
  if (!stats.nonfinite) return show(stats.rms);
  const word = stats.norm === Infinity ? "∞" : "NaN";
  return stats.nonfinite === stats.size ? word : `${count(stats.nonfinite)} ${word}`;
}

export function gradientText(item: Item, metrics: Metrics): string {
  if (!isGroup(item) && metrics.step === null) return valueText(item.node.upstream);
  return show(metrics.arriving(item));
}

function numbers(item: Item, box: Box, metrics: Metrics): SVGElement[] {
  const x = isGroup(item) ? 21 : 10;
  const bottom = box.height - 20;
  const node = metrics.lastNode(item);
  const gradient = s("text", { class: "gradient", x, y: bottom + 12.5 }, gradientText(item, metrics));
  if (metrics.step !== null) return [gradient];
  return [
    s("text", { class: "value", x, y: bottom - 4.5 }, valueText(node?.value ?? null)),
    s("line", { class: "fraction", x1: x, x2: box.width - 10, y1: bottom, y2: bottom }),
    gradient,
  ];
}

function leafShape(leaf: Leaf, box: Box): SVGElement[] {
  const { kind } = leaf.node;
  const radius = kind === "op" || kind === "parameter" ? 7 : 20;
  const shape = [s("rect", { class: "body", width: box.width, height: box.height, rx: radius })];
  if (kind === "parameter") shape.push(s("rect", { class: "stripe", x: 0, y: 7, width: 3, height: box.height - 14, rx: 1.5 }));
  return shape;
}

function groupShape(group: Group, box: Box): SVGElement[] {
  const shape: SVGElement[] = [];
  if (group.times > 1) {
    shape.push(s("rect", { class: "body behind", x: 8, y: 8, width: box.width, height: box.height, rx: 10 }));
    shape.push(s("rect", { class: "body behind", x: 4, y: 4, width: box.width, height: box.height, rx: 10 }));
  }
  shape.push(s("rect", { class: "body", width: box.width, height: box.height, rx: 10 }));
  return shape;
}

export function groupSummary(group: Group): string {
  const operations = group.leaves.length - group.parameters;
  return group.parameters
    ? `${plural(operations, "op")} · ${plural(group.parameters, "parameter")}`
    : plural(operations, "op");
}

function groupWords(group: Group): SVGElement[] {
  const title = s("text", { class: "title", x: 21, y: 20 }, titleOf(group));
  if (group.times > 1) title.append(s("tspan", { class: "times", dx: 7 }, `×${group.times}`));
  return [
    s("path", { class: "chevron", d: "M9 12l4 4l-4 4" }),
    title,
    s("text", { class: "detail", x: 21, y: 33 }, detailOf(group)),
  ];
}

function leafWords(leaf: Leaf): SVGElement[] {
  return [
    s("text", { class: "title", x: 10, y: 17 }, titleOf(leaf)),
    s("text", { class: "detail", x: 10, y: 29 }, detailOf(leaf)),
  ];
}

export function gradientState(item: Item, metrics: Metrics): "nonfinite" | "zero" | "absent" | "some" {
  if (isGroup(item)) {
    const arriving = metrics.arriving(item);
    if (arriving !== null && !Number.isFinite(arriving)) return "nonfinite";
    return arriving === 0 ? "zero" : arriving === null ? "absent" : "some";
  }
  const { upstream } = item.node;
  const norm = metrics.upstreamNorm(item.node);
  if ((metrics.step === null && upstream?.nonfinite) || (norm !== null && !Number.isFinite(norm))) return "nonfinite";
  return norm === 0 ? "zero" : norm === null ? "absent" : "some";
}

export function drawClosed(mark: SVGGElement, item: Item, box: Box, metrics: Metrics, severity: Mark): void {
  const parts = isGroup(item)
    ? [...groupShape(item, box), ...groupWords(item)]
    : [...leafShape(item, box), ...leafWords(item)];
  parts.push(...numbers(item, box, metrics));
  if (!isGroup(item)) parts.push(...drawShares(item.node, box, metrics));
  if (severity) parts.push(s("circle", { class: `badge ${severity}`, cx: box.width - 1, cy: 1, r: 5.5 }));
  const kind = isGroup(item) ? `group ${item.kind}` : `leaf ${item.node.kind}`;
  mark.setAttribute("class", `item ${kind} gradient-${gradientState(item, metrics)}`);
  const title = isGroup(item) && item.times > 1 ? `${titleOf(item)} ×${item.times}` : titleOf(item);
  mark.style.setProperty("--far-title", farFont(title, 600, box.width));
  mark.style.setProperty("--far-number", farFont(gradientText(item, metrics), 400, box.width));
  mark.replaceChildren(...parts);
}

export function drawOpen(mark: SVGGElement, group: Group, box: Box, depth: number): void {
  mark.setAttribute("class", `item open ${group.kind} depth-${depth % 2}${depth === 1 ? " outermost" : ""}`);
  const title = s("text", { class: "title", x: 27, y: 21 }, group.title);
  mark.style.setProperty("--far-title", farFont(group.title, 600, box.width));
  if (group.detail) title.append(s("tspan", { class: "detail", dx: 8 }, group.detail));
  if (group.times > 1) title.append(s("tspan", { class: "times", dx: 8 }, `×${group.times}`));
  mark.replaceChildren(
    s("rect", { class: "body", width: box.width, height: box.height, rx: 12 }),
    s("rect", { class: "header", width: box.width, height: 32, rx: 12 }),
    s("path", { class: "chevron", d: "M12 14l4 4l4-4" }),
    title,
  );
}

export function labelOf(item: Item, metrics: Metrics): string {
  const name = isGroup(item) ? `${item.title} ${item.detail}, ${groupSummary(item)}` : `${item.title} ${item.detail}`;
  return `${name}, gradient ${gradientText(item, metrics)}`;
}
