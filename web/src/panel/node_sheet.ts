// The sheet of one node: what it computed, its local rule, what arrived and what it passed on.

import type { Context } from "../context";
import { percent, plural, shape, show, signed, typeset } from "../model/format";
import type { Formula, LedgerEdge, LedgerNode, Stats } from "../model/ledger";
import type { Metrics } from "../model/metrics";
import { nameOf, placeOf } from "../model/place";
import { isSingle } from "../model/tree";
import { notice } from "./finding_sheet";
import type { Cell, CellLike, Section, Sheet, Worked } from "./sections";

// More arguments than this (of a concat) stand in the table only.
const MOST_LINES = 6;

function nodeCell(node: LedgerNode): Cell {
  return { text: placeOf(node), node: node.id, title: node.where ?? undefined };
}

function sourceCell(edge: LedgerEdge, metrics: Metrics): Cell {
  const source = metrics.ledger.nodes[edge.source]!;
  return { ...nodeCell(source), text: `${edge.name ? `${edge.name} ← ` : ""}${placeOf(source)}` };
}

function number(value: number | null | undefined, tone?: "value" | "gradient"): Cell {
  return { text: show(value), tone };
}

/** A row for every statistic that this level of recording measures. */
function statisticsRows(node: LedgerNode, other: LedgerNode | null): CellLike[][] {
  const rows: [string, (stats: Stats) => string][] = [
    ["rms", (stats) => show(stats.rms, 4)],
    ["norm", (stats) => show(stats.norm, 4)],
    ["mean", (stats) => show(stats.mean, 4)],
    ["min", (stats) => show(stats.minimum, 4)],
    ["max", (stats) => show(stats.maximum, 4)],
    ["zeros", (stats) => (stats.zeros === null ? "–" : percent(stats.zeros / stats.size))],
    ["not finite", (stats) => String(stats.nonfinite)],
  ];
  const cells = [node.value, node.upstream, ...(other ? [other.value, other.upstream] : [])];
  const measured = rows.filter(([, read]) => cells.some((stats) => stats && read(stats) !== "–"));
  return measured.map(([name, read]) => {
    return [
      { text: name, tone: "muted" as const },
      ...cells.map((stats, index): Cell => ({
        text: stats ? read(stats) : "–",
        tone: name === "not finite" && stats?.nonfinite ? "error" : index % 2 ? "gradient" : "value",
      })),
    ];
  });
}

function statistics(node: LedgerNode, other: LedgerNode | null, metrics: Metrics): Section {
  const columns = other ? ["", "value", "gradient", "value, other", "gradient, other"] : ["", "value", "gradient"];
  const step = metrics.step === null ? null : metrics.ledger.steps[metrics.step];
  return {
    kind: "table", heading: "Forward value, and the gradient that arrived", columns, rows: statisticsRows(node, other),
    note: step ? `At step ${step.step}: gradient norm ${show(metrics.upstreamNorm(node), 4)}, rms ${show(metrics.upstreamRms(node), 4)}. The table is that of the end.` : undefined,
  };
}

function upstream(node: LedgerNode, context: Context): Section[] {
  const metrics = context.metrics();
  const { ledger } = metrics;
  if (!node.arrived.length) return [];
  const other = context.other();
  const rows = node.arrived.map((id): CellLike[] => {
    const edge = ledger.edges[id]!;
    const share = metrics.share(edge);
    const row: CellLike[] = [
      nodeCell(ledger.nodes[edge.consumer]!),
      number(metrics.edgeNorm(edge), "gradient"),
      { text: edge.cancels ? "cancels" : percent(share), share },
      { text: show(edge.cosine) },
    ];
    if (other) row.push(number(other.edgeNorm(other.ledger.edges[id]!), "gradient"));
    return row;
  });
  const sum = node.arrived.reduce((total, id) => total + (metrics.share(ledger.edges[id]!) ?? NaN), 0);
  const footer: CellLike[] = [
    { text: node.arrived.length > 1 ? "sum" : "in all", tone: "strong" },
    { text: show(metrics.upstreamNorm(node)), tone: "strong" },
    { text: Number.isFinite(sum) ? percent(sum) : "–", tone: "strong" },
    "",
  ];
  if (other) footer.push({ text: show(other.upstreamNorm(other.ledger.nodes[node.id]!)), tone: "strong" });
  return [{
    kind: "table", heading: "Upstream: who sent it back",
    columns: ["consumer", "norm", "share", "cosine", ...(other ? ["norm, other"] : [])], rows, footer,
    note: node.balance === null ? undefined : balanceText(node.balance),
  }];
}

function balanceText(balance: number): string {
  const size = `‖Σ contributions − sum‖ / ‖sum‖ = ${show(balance)}`;
  return balance > 1e-3 || !Number.isFinite(balance) ? `Does not balance: ${size}` : `Balances: ${size}`;
}

function downstream(node: LedgerNode, context: Context): Section[] {
  const metrics = context.metrics();
  if (!node.downstream.length) return [];
  const rows = node.downstream.map((id): CellLike[] => {
    const edge = metrics.ledger.edges[id]!;
    const gain = metrics.gain(edge);
    return [
      sourceCell(edge, metrics),
      edge.cut ? { text: "cut", tone: "warning" } : number(metrics.edgeNorm(edge), "gradient"),
      { text: show(gain), gain },
      { text: edge.reducedAxes.length ? `Σ over ${edge.reducedAxes.join(", ")}` : "", tone: "muted" },
    ];
  });
  return [{
    kind: "table", heading: "Downstream: what it passed on", columns: ["input", "norm", "gain", "summed"], rows,
  }];
}

function histograms(node: LedgerNode): Section[] {
  const result: Section[] = [];
  const add = (heading: string, tone: "value" | "gradient", stats: Stats | null): void => {
    if (!stats?.histogram || stats.low === null || stats.high === null) return;
    result.push({ kind: "histogram", heading, tone, heights: stats.histogram, low: stats.low, high: stats.high, size: stats.size });
  };
  add("Distribution of the value", "value", node.value);
  add("Distribution of the gradient", "gradient", node.upstream);
  return result;
}

function sentence(parts: (string | null)[]): string {
  const text = parts.filter(Boolean).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function notices(node: LedgerNode, context: Context): Section[] {
  const findings = context.ledger.findings.filter((finding) => finding.node === node.id);
  const result: Section[] = findings.map(notice);
  if (node.absence) result.push({ kind: "notice", tone: "note", title: "no gradient, or exactly zero", text: node.absence });
  if (node.birth && !findings.some((finding) => finding.kind === "nonfinite")) {
    const words: Record<string, string> = {
      local: "Finite upstream, non-finite downstream: it was born in this node's local gradient.",
      propagated: "Came in from a consumer; it was born further up.",
    };
    result.push({ kind: "notice", tone: node.birth === "propagated" ? "note" : "error", title: `non-finite: ${node.birth}`, text: sentence([words[node.birth] ?? null, node.birthDetail]) });
  }
  if (node.units && (node.units.dead || node.units.saturated)) {
    const { dead, saturated, count, since } = node.units;
    const parts = [dead && `${plural(dead, "unit")} of ${count} dead`, saturated && `${plural(saturated, "unit")} of ${count} saturated`];
    result.push({ kind: "notice", tone: "note", title: "units that do not learn", text: parts.filter(Boolean).join(", ") + (since === null ? "." : `, since step ${since}.`) });
  }
  return result;
}

function source(node: LedgerNode, context: Context): Section[] {
  const snippet = node.file ? context.ledger.sources.get(node.file) : undefined;
  if (!snippet || node.line === null || !node.file) return [];
  const first = Math.max(snippet.first_line, node.line - 4);
  const last = Math.min(snippet.first_line + snippet.lines.length - 1, node.line + 3);
  const lines = snippet.lines.slice(first - snippet.first_line, last - snippet.first_line + 1);
  if (!lines.length) return [];
  const within = node.function ? `${node.where ?? node.file} in ${node.function}` : (node.where ?? node.file);
  return [{ kind: "source", heading: within, file: node.file, first, lines, marked: node.line }];
}

/** `upstream × local = downstream`: of one element, where the values were kept, and of all, as rms. */
function numbersOf(node: LedgerNode, metrics: Metrics): Worked[] {
  const upstream = metrics.upstreamRms(node);
  const lines = node.downstream.slice(0, MOST_LINES).flatMap((id) => {
    const edge = metrics.ledger.edges[id]!;
    const [gain, rms] = [metrics.gain(edge), metrics.edgeRms(edge)];
    return edge.cut || gain === null ? [] : [`${edge.name || "input"}: ${show(upstream)} × ${show(gain)} = ${show(rms)}`];
  });
  const one = metrics.step === null && node.local ? node.local.split("\n").slice(0, MOST_LINES).map(typeset) : [];
  return [
    { title: "One element: upstream × local = downstream", lines: one },
    { title: "All, as rms: upstream × gain = downstream", lines },
  ].filter((part) => part.lines.length > 0);
}

/** One line for every argument. */
function rulesOf({ text, latex }: Formula): Formula[] {
  const texts = text.split(",  ");
  const formulas = latex?.split(",\\quad ") ?? [];
  if (texts.length !== formulas.length) return [{ text, latex }];
  return texts.map((line, index) => ({ text: line, latex: formulas[index]! }));
}

export function nodeSheet(node: LedgerNode, context: Context): Sheet {
  const metrics = context.metrics();
  const other = context.other()?.ledger.nodes[node.id] ?? null;
  const tags = [isSingle(node) ? shape(node.shape) : "", node.dtype, ...node.flags];
  if (node.step !== null) tags.push(`call ${node.step + 1}`);
  if (node.sweep) tags.push(`sweep ${node.sweep + 1}`);
  const sections: Section[] = [...notices(node, context)];
  const local = numbersOf(node, metrics);
  if (node.formula || local.length) sections.push({ kind: "formula", heading: "Local rule", rules: node.formula ? rulesOf(node.formula) : [], local });
  sections.push(statistics(metrics.ledger.nodes[node.id]!, other, metrics), ...upstream(node, context), ...downstream(node, context));
  if (context.ledger.steps.length > 1) sections.push({ kind: "series", heading: "Gradient norm over the recorded steps", node: node.id });
  sections.push(...histograms(metrics.ledger.nodes[node.id]!), ...source(node, context));
  return {
    kicker: [node.kind === "op" ? "operation" : node.kind, node.module].filter(Boolean).join(" · "),
    title: nameOf(node),
    subtitle: node.names.length > 1 ? `also ${node.names.slice(1).join(", ")}` : node.kind === "op" && node.label !== node.op ? node.op : "",
    where: node.where, tags: tags.filter(Boolean), route: node.id, sections,
  };
}

/** The sheet of an edge, or of the edges between two closed groups. */
export function edgesSheet(title: string, edges: LedgerEdge[], context: Context, cut: number | null): Sheet {
  const metrics = context.metrics();
  const sections: Section[] = [];
  if (cut !== null) {
    const value = context.ledger.cuts[cut]!;
    sections.push({ kind: "facts", heading: "A value that left the graph", facts: [
      ["reason", value.reason], ["operation", value.op], ["where", value.where ?? "–"], ["shape", shape(value.shape)],
      ["without gradient", value.parameters.join(", ") || "–"],
    ] });
  }
  const loudest = [...edges].sort((a, b) => (metrics.edgeNorm(b) ?? -1) - (metrics.edgeNorm(a) ?? -1));
  const other = context.other();
  const rows = loudest.slice(0, 40).map((edge): CellLike[] => [
    nodeCell(metrics.ledger.nodes[edge.consumer]!), sourceCell(edge, metrics),
    number(metrics.edgeNorm(edge), "gradient"),
    ...(other ? [number(other.edgeNorm(other.ledger.edges[edge.id]!), "gradient")] : []),
    { text: show(metrics.gain(edge)), gain: metrics.gain(edge) },
    { text: percent(metrics.share(edge)), share: metrics.share(edge) },
  ]);
  if (rows.length > 1) {
    sections.push({ kind: "table", heading: "Contributions, loudest first", columns: ["from", "to", "norm", ...(other ? ["norm, other"] : []), "gain", "share"], rows,
      note: loudest.length > rows.length ? `and ${loudest.length - rows.length} more` : undefined });
  }
  if (edges.length === 1) {
    const edge = edges[0]!;
    sections.push({ kind: "facts", heading: "This contribution", facts: [
      ["from", nodeCell(metrics.ledger.nodes[edge.consumer]!)], ["to", sourceCell(edge, metrics)],
      ["norm", show(metrics.edgeNorm(edge), 4)],
      ...(other ? [["norm, other run", show(other.edgeNorm(other.ledger.edges[edge.id]!), 4)] as [string, string]] : []),
      ["rms", show(metrics.edgeRms(edge), 4)],
      ["share of the sum", edge.cancels ? "the contributions cancel" : signed(metrics.share(edge))],
      ["cosine with the sum", show(edge.cosine)], ["gain", show(metrics.gain(edge), 4)],
      ["zeros", edge.zeros === null ? "–" : `${edge.zeros} of ${edge.size}`], ["not finite", String(edge.nonfinite)],
      ["summed over axes", edge.reducedAxes.join(", ") || "none"],
    ] });
  }
  return { kicker: edges.length > 1 ? plural(edges.length, "edge") : "edge", title, subtitle: "", where: null, tags: [], route: edges[0]?.source ?? null, sections };
}
