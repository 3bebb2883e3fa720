// The depth profile as bars of log gradient rms, split by branch share and tinted by the gain
// across the block, with a dot for every parameter. Clicking a bar goes to the block.

import { scaleBand, scaleLinear } from "d3-scale";
import type { Context } from "../context";
import { segments } from "../draw/shares";
import type { Scales } from "../draw/scales";
import { clear, h, s } from "../dom";
import { percent, show } from "../model/format";
import { leavesOf, lineage } from "../model/items";
import type { Ledger } from "../model/ledger";
import { columnsOf, numbersOf, titleOf, type Column, type ColumnNumbers } from "../model/profile";
import { Metrics } from "../model/metrics";
import { columnNames } from "./profile_names";
import type { Tooltip } from "./tooltip";

const HEIGHT = 122;
const MARGIN = { left: 52, right: 16, top: 14, bottom: 30 };

function logOf(value: number | null): number | null {
  return value !== null && Number.isFinite(value) && value > 0 ? Math.log10(value) : null;
}

export class Profile {
  readonly element = h("div", { class: "profile" });
  private readonly columns: Column[];
  private readonly domain: [number, number];

  constructor(private readonly context: Context, private readonly tooltip: Tooltip, other: Ledger | null) {
    this.columns = columnsOf(context.ledger, context.tree);
    this.domain = this.frozenDomain(other ? [context.ledger, other] : [context.ledger]);
    new ResizeObserver(() => this.last && this.render(this.last)).observe(this.element);
  }

  private last: Scales | null = null;

  /** One scale for every recorded step and both runs. */
  private frozenDomain(ledgers: Ledger[]): [number, number] {
    const found: number[] = [];
    for (const ledger of ledgers) {
      const steps = [null, ...ledger.steps.map((_, index) => index)];
      for (const step of steps) {
        const metrics = new Metrics(ledger, step);
        for (const column of this.columns) {
          const numbers = numbersOf(column, metrics);
          for (const value of [numbers.arriving, ...numbers.parameters.map((item) => item.rms)]) {
            const log = logOf(value);
            if (log !== null) found.push(log);
          }
        }
      }
    }
    if (!found.length) return [-1, 1];
    const high = found.reduce((a, b) => Math.max(a, b));
    const low = Math.max(found.reduce((a, b) => Math.min(a, b)), high - 12);
    return [low - Math.max(0.3, (high - low) * 0.12), high + 0.1];
  }

  render(scales: Scales): void {
    this.last = scales;
    const width = this.element.clientWidth;
    if (!width) return;
    clear(this.element);
    const metrics = this.context.metrics();
    const other = this.context.other();
    const x = scaleBand<number>(this.columns.map((_, index) => index), [MARGIN.left, width - MARGIN.right])
      .paddingInner(this.columns.length > 60 ? 0.15 : 0.28).paddingOuter(0.1);
    const y = scaleLinear(this.domain, [HEIGHT - MARGIN.bottom, MARGIN.top]).clamp(true);
    const svg = s("svg", { width, height: HEIGHT, role: "img", "aria-label": "gradient by depth" });
    svg.append(...axis(y, this.domain, width));
    this.columns.forEach((column, index) => {
      const numbers = numbersOf(column, metrics);
      const there = other ? numbersOf(column, other) : null;
      svg.append(this.bar(column, numbers, there, x(index)!, x.bandwidth(), y, scales));
    });
    svg.append(...columnNames(this.columns, x, width, HEIGHT));
    this.element.append(h("span", { class: "caption" }, "gradient rms by depth", h("i", { class: "dot" }), "of parameters"), svg);
  }

  private bar(
    column: Column, numbers: ColumnNumbers, there: ColumnNumbers | null,
    left: number, width: number, y: (value: number) => number, scales: Scales,
  ): SVGElement {
    const base = HEIGHT - MARGIN.bottom;
    const log = logOf(numbers.arriving);
    const mark = s("g", { class: "column", tabindex: -1 });
    mark.append(s("rect", { class: "column-hit", x: left - 1, y: 0, width: width + 2, height: HEIGHT }));
    if (log === null) {
      const state = numbers.arriving !== null && !Number.isFinite(numbers.arriving) ? "nonfinite" : "zero";
      mark.append(s("rect", { class: `bar ${state}`, x: left, width, y: state === "zero" ? base - 4 : MARGIN.top, height: state === "zero" ? 4 : base - MARGIN.top, rx: 1.5 }));
    } else {
      mark.append(...splitBar(numbers, left, width, y(log), base, scales));
    }
    for (const { rms } of numbers.parameters) {
      const at = logOf(rms);
      if (at !== null) mark.append(s("circle", { class: "parameter-dot", cx: left + width / 2, cy: y(at), r: Math.min(2.6, Math.max(1.4, width / 4)) }));
    }
    const otherLog = there ? logOf(there.arriving) : null;
    if (otherLog !== null) mark.append(s("line", { class: "other", x1: left - 1, x2: left + width + 1, y1: y(otherLog), y2: y(otherLog) }));
    mark.addEventListener("click", () => this.go(column));
    mark.addEventListener("pointermove", (event) => this.tooltip.show(event, this.words(column, numbers, there)));
    mark.addEventListener("pointerleave", () => this.tooltip.hide());
    return mark;
  }

  private words(column: Column, numbers: ColumnNumbers, there: ColumnNumbers | null): [string, string][] {
    const rows: [string, string][] = [["", titleOf(column)], ["gradient rms", show(numbers.arriving)], ["gain across", show(numbers.gain)]];
    const only = column.nodes.length === 1 ? this.context.ledger.nodes[column.first]! : null;
    if (only?.where) rows.splice(1, 0, ["at", only.where]);
    if (there) rows.push(["other run", show(there.arriving)]);
    if (numbers.shares.length) rows.push(["branch shares", numbers.shares.map(percent).join(", ")]);
    for (const { id, rms } of numbers.parameters.slice(0, 4)) rows.push([this.context.ledger.nodes[id]!.label, show(rms)]);
    return rows;
  }

  /** To the largest group that the column holds all of. */
  private go(column: Column): void {
    const { ledger, tree } = this.context;
    const own = new Set(column.nodes);
    const isOwn = (id: number): boolean => own.has(id) || ledger.nodes[id]!.kind !== "op";
    const around = lineage(tree.leafOf[column.first]!);
    this.context.go(around.find((item) => leavesOf(item).every(isOwn)) ?? around.at(-1)!);
  }
}

function splitBar(numbers: ColumnNumbers, left: number, width: number, top: number, base: number, scales: Scales): SVGElement[] {
  const fill = scales.colour(numbers.gain);
  const tall = Math.max(1, base - top);
  const { parts, low, high } = segments(numbers.shares.map((share, edge) => ({ edge, share })));
  if (parts.length < 2) return [s("rect", { class: "bar", x: left, width, y: base - tall, height: tall, rx: 1.5, fill })];
  const scale = tall / (high - low || 1);
  return parts.map((part, index) => s("rect", {
    class: part.share < 0 ? "bar against" : "bar", x: left, width, fill,
    y: base - (part.to - low) * scale, height: Math.max(0.5, (part.to - part.from) * scale - 1),
    "fill-opacity": index % 2 ? 0.6 : 1,
  }));
}

function axis(y: (value: number) => number, [low, high]: [number, number], width: number): SVGElement[] {
  const every = Math.max(1, Math.ceil((high - low) / 3));
  const marks: SVGElement[] = [];
  for (let power = Math.ceil(low); power <= high; power++) {
    if (power % every) continue;
    marks.push(
      s("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(power), y2: y(power) }),
      s("text", { class: "tick", x: MARGIN.left - 8, y: y(power) + 3.5, "text-anchor": "end" }, show(10 ** power, 2)),
    );
  }
  return marks;
}
