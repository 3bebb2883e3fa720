// Findings as notices, and the sheet shown while nothing is selected.

import type { Context } from "../context";
import { count, plural, show, typeset } from "../model/format";
import type { Finding, Ledger } from "../model/ledger";
import { number } from "../model/ledger";
import { imbalance } from "../model/metrics";
import { carried, routeTo } from "../model/routes";
import { placeOf } from "../model/place";
import type { CellLike, Section, Sheet } from "./sections";

// A longer table costs more to lay out than it tells; search finds the rest.
const MOST_ROWS = 100;

function evidenceText(value: number | string): string {
  const parsed = number(value);
  if (parsed === null) return String(value);
  return Number.isInteger(parsed) && Math.abs(parsed) < 1e9 ? count(parsed) : show(parsed);
}

/** Names and code stand in backticks and stay as they are. */
function prose(text: string): string {
  return text.split("`").map((part, index) => (index % 2 ? part : typeset(part))).join("`");
}

export function notice(finding: Finding): Section {
  return {
    kind: "notice", tone: finding.severity,
    title: [finding.kind, finding.where].filter(Boolean).join(" · "), text: prose(finding.message), advice: finding.advice,
    evidence: Object.entries(finding.evidence).map(([name, value]) => [name.replaceAll("_", " "), evidenceText(value)]),
    node: finding.node ?? undefined,
  };
}

function parameters(context: Context): Section[] {
  const metrics = context.metrics();
  const other = context.other();
  const found = metrics.ledger.nodes.filter((node) => node.kind === "parameter");
  if (!found.length) return [];
  const valued = metrics.step === null;
  const rows = found.slice(0, MOST_ROWS).map((node): CellLike[] => {
    const value = metrics.value(node)?.rms ?? null;
    const rms = metrics.upstreamRms(node);
    const row: CellLike[] = [{ text: node.label, node: node.id }];
    if (valued) row.push({ text: show(value), tone: "value" });
    row.push({ text: show(rms), tone: "gradient" });
    if (valued) row.push({ text: rms !== null && value ? show(rms / value) : "–" });
    if (other) row.push({ text: show(other.upstreamRms(other.ledger.nodes[node.id]!)), tone: "gradient" });
    return row;
  });
  return [{
    kind: "table", heading: "Parameters (rms)", columns: ["name", ...(valued ? ["value", "gradient", "ratio"] : ["gradient"]), ...(other ? ["other"] : [])], rows,
    note: found.length > rows.length ? `and ${found.length - rows.length} more` : undefined,
  }];
}

function comparison(ledger: Ledger): Section[] {
  const { compare } = ledger;
  if (!compare) return [];
  const edge = compare.firstDivergence === null ? null : ledger.edges[compare.firstDivergence];
  const place = edge ? `${placeOf(ledger.nodes[edge.consumer]!)} → ${placeOf(ledger.nodes[edge.source]!)}` : "";
  return [{
    kind: "notice", tone: edge ? "warning" : "note", title: edge ? "the runs part here first" : "the runs agree",
    text: compare.message || (edge ? place : "Every aligned edge carries the same gradient."),
    evidence: [["other run", compare.other.title || "–"], ["loss here", show(ledger.loss)], ["loss there", show(compare.other.loss)]],
    node: edge?.consumer,
  }];
}

function farthestRoute(context: Context): Section[] {
  const metrics = context.metrics();
  const { ledger } = metrics;
  const first = ledger.nodes.find((node) => node.kind === "parameter" && node.arrived.length);
  if (!first) return [];
  const route = routeTo(first, metrics);
  const joins = route.thickest.filter((id) => ledger.nodes[ledger.edges[id]!.source]!.arrived.length > 1).length;
  const part = carried(ledger, route);
  return [{
    kind: "facts", heading: "From the loss to the first parameter",
    facts: [
      ["target", { text: first.label, node: first.id }],
      ["thickest route", `${plural(route.thickest.length, "edge")}, ${plural(joins, "join")}`],
      ["carries", part === null ? "–" : `${show(part * 100)} % of its gradient`],
    ],
  }];
}

export function overviewSheet(context: Context): Sheet {
  const { ledger } = context;
  const sections: Section[] = [...comparison(ledger), ...ledger.findings.map(notice)];
  if (ledger.mutations.length) {
    sections.push({ kind: "table", heading: "Values changed in place", columns: ["operation", "where", "retained by"],
      rows: ledger.mutations.map((item) => [item.op, item.where ?? "–", [item.retained_by, item.retained_where].filter(Boolean).join(" at ")]) });
  }
  if (ledger.cuts.length) {
    sections.push({ kind: "table", heading: "Values that left the graph", columns: ["reason", "operation", "where"],
      rows: ledger.cuts.map((cut) => [cut.reason, { text: cut.op || "–", node: cut.source ?? undefined }, cut.where ?? "–"]) });
  }
  sections.push(...farthestRoute(context), ...parameters(context));
  return {
    kicker: "ledger", title: ledger.title || "Backward pass",
    subtitle: `${count(ledger.nodes.length)} nodes, ${count(ledger.edges.length)} edges, level ${ledger.level}. Largest imbalance ${show(imbalance(ledger.nodes))}.`,
    where: null, tags: [], route: null, sections,
  };
}
