// Sections as elements.

import type { Context } from "../context";
import type { Scales } from "../draw/scales";
import { h, s } from "../dom";
import { count, show } from "../model/format";
import type { Formula } from "../model/ledger";
import { mathOf } from "./mathematics";
import { seriesChart } from "./series";
import type { CellLike, Section, Worked } from "./sections";

/** A dotted name in two parts, of which only the first is cut where there is no room. */
function name(text: string): (Node | string)[] {
  const cut = text.slice(0, -1).lastIndexOf(".");
  if (cut < 0 || /\s/.test(text)) return [text];
  return [h("span", { class: "head" }, text.slice(0, cut)), h("span", { class: "tail" }, text.slice(cut))];
}

function cellContent(cell: CellLike, context: Context, scales: Scales): (Node | string)[] {
  if (typeof cell === "string") return [cell];
  const content: (Node | string)[] = [];
  if (cell.gain !== undefined && cell.gain !== null) {
    content.push(h("span", { class: "gain-dot", style: `background:${scales.colour(cell.gain)}` }));
  }
  const item = cell.go === undefined ? undefined : context.tree.items.get(cell.go);
  const go = item ? () => context.go(item) : cell.node === undefined ? null : () => context.goNode(cell.node!);
  content.push(go ? h("button", { class: "jump", title: cell.title ?? cell.text, onclick: go }, ...name(cell.text)) : cell.text);
  if (cell.share !== undefined && cell.share !== null && Number.isFinite(cell.share)) content.push(shareBar(cell.share));
  return content;
}

function shareBar(share: number): HTMLElement {
  const width = Math.min(1, Math.abs(share)) * 50;
  const style = share < 0 ? `right:50%;width:${width}%` : `left:50%;width:${width}%`;
  return h("span", { class: "share-bar" }, h("i", { class: share < 0 ? "against" : "with", style }));
}

function cellOf(tag: "td" | "th", cell: CellLike, context: Context, scales: Scales, first: boolean): HTMLElement {
  const tone = typeof cell === "string" ? "" : (cell.tone ?? "");
  return h(tag, { class: [first ? "first" : "", tone].filter(Boolean).join(" ") || undefined }, ...cellContent(cell, context, scales));
}

function table(part: Extract<Section, { kind: "table" }>, context: Context, scales: Scales): HTMLElement {
  const line = (cells: CellLike[]): HTMLElement => h("tr", {}, ...cells.map((cell, index) => cellOf("td", cell, context, scales, index === 0)));
  const head = part.columns.some(Boolean)
    ? h("thead", {}, h("tr", {}, ...part.columns.map((name, index) => h("th", { class: index ? undefined : "first" }, name))))
    : null;
  return h("div", { class: "scroll" }, h("table", {},
    head, h("tbody", {}, ...part.rows.map(line)), part.footer ? h("tfoot", {}, line(part.footer)) : null,
  ));
}

function histogram(part: Extract<Section, { kind: "histogram" }>): Element {
  const [width, height] = [320, 56];
  const most = Math.max(1, ...part.heights);
  const step = width / part.heights.length;
  const bars = part.heights.map((value, index) => {
    const tall = (value / most) * height;
    return s("rect", { x: (index * step).toFixed(2), y: (height - tall).toFixed(2), width: Math.max(0.6, step - 1).toFixed(2), height: tall.toFixed(2) });
  });
  const zero = part.low < 0 && part.high > 0 ? ((0 - part.low) / (part.high - part.low)) * width : null;
  return h("figure", { class: `histogram ${part.tone}` },
    s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": part.heading },
      ...bars, zero === null ? null : s("line", { class: "zero", x1: zero, x2: zero, y1: 0, y2: height })),
    h("figcaption", {}, h("span", {}, show(part.low)), h("span", { class: "muted" }, `${count(part.size)} elements, √count`), h("span", {}, show(part.high))),
  );
}

function source(part: Extract<Section, { kind: "source" }>): HTMLElement {
  return h("div", { class: "source", title: part.file }, ...part.lines.map((line, index) => {
    const at = part.first + index;
    return h("div", { class: at === part.marked ? "line marked" : "line" },
      h("span", { class: "line-number" }, String(at)), h("code", {}, line || " "));
  }));
}

/** Prose in which `code` stands between backticks. */
function prose(text: string): (Node | string)[] {
  return text.split(/`([^`\n]+)`/).map((piece, index) => (index % 2 ? h("code", {}, piece) : piece));
}

function notice(part: Extract<Section, { kind: "notice" }>, context: Context): HTMLElement {
  const evidence = part.evidence?.length
    ? h("dl", { class: "evidence" }, ...part.evidence.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))
    : null;
  const title = part.node === undefined
    ? h("strong", {}, part.title)
    : h("button", { class: "jump strong", onclick: () => context.goNode(part.node!) }, part.title);
  return h("div", { class: `notice ${part.tone}` }, title, h("p", {}, ...prose(part.text)), evidence, part.advice ? h("p", { class: "advice" }, ...prose(part.advice)) : null);
}

function rule(formula: Formula): HTMLElement {
  const drawn = formula.latex === null ? null : mathOf(formula.latex);
  return drawn ? h("div", { class: "rule", title: formula.text }, drawn) : h("div", { class: "rule words" }, ...prose(formula.text));
}

function worked({ title, lines }: Worked): HTMLElement {
  return h("div", { class: "local" }, h("div", { class: "local-title" }, title), ...lines.map((line) => h("div", { class: "local-line" }, line)));
}

function body(part: Section, context: Context, scales: Scales): (Node | null)[] {
  switch (part.kind) {
    case "table":
      return [table(part, context, scales), part.note ? h("p", { class: "note" }, part.note) : null];
    case "facts":
      return [h("dl", { class: "facts" }, ...part.facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, ...cellContent(value, context, scales))]))];
    case "formula":
      return [h("div", { class: "formula" }, ...part.rules.map(rule), ...part.local.map(worked))];
    case "histogram":
      return [histogram(part) as HTMLElement];
    case "source":
      return [source(part)];
    case "notice":
      return [notice(part, context)];
    case "series":
      return [seriesChart(part.node, context)];
    case "text":
      return [h("p", {}, part.text)];
  }
}

export function renderSection(part: Section, context: Context, scales: Scales): HTMLElement {
  const heading = part.kind !== "notice" && part.heading ? h("h3", {}, part.heading) : null;
  return h("section", { class: `part part-${part.kind}` }, heading, ...body(part, context, scales));
}
