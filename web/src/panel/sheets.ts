// The sheet for whatever is selected; here the one of a group: what goes through it, its parameters,
// what was found in it.

import type { Context } from "../context";
import { plural, shape, show } from "../model/format";
import { repeatsOf } from "../model/fold";
import { isGroup, type Group } from "../model/items";
import { ratio } from "../model/metrics";
import { placeOf } from "../model/place";
import { notice, overviewSheet } from "./finding_sheet";
import { edgesSheet, nodeSheet } from "./node_sheet";
import type { CellLike, Section, Sheet } from "./sections";

function through(group: Group, context: Context): Section {
  const metrics = context.metrics();
  const arrived = metrics.boundary(group, "arrived");
  const sent = metrics.boundary(group, "downstream");
  const norm = (edges: typeof arrived): number | null => {
    const known = edges.map((edge) => metrics.edgeNorm(edge)).filter((value) => value !== null);
    return known.length ? Math.hypot(...known) : null;
  };
  const rms = (edges: typeof arrived): number | null => {
    const size = edges.reduce((total, edge) => total + edge.size, 0);
    const total = norm(edges);
    return total === null || !size ? null : total / Math.sqrt(size);
  };
  const gain = ratio(rms(sent), metrics.arriving(group));
  return { kind: "facts", heading: "Through this group", facts: [
    ["arrives", { text: `norm ${show(norm(arrived))} over ${plural(arrived.length, "edge")}`, tone: "gradient" }],
    ["leaves", sent.length ? { text: `norm ${show(norm(sent))} over ${plural(sent.length, "edge")}`, tone: "gradient" } : "nothing but to its own parameters"],
    ["gain across it", { text: show(gain), gain }],
    ["holds", `${plural(group.leaves.length - group.parameters, "operation")}, ${plural(group.parameters, "parameter")}`],
  ] };
}

function members(group: Group, context: Context): Section[] {
  if (group.times < 2) return [];
  const metrics = context.metrics();
  const rows = repeatsOf(group).filter(isGroup).map((child): CellLike[] => {
    const gain = ratio(rmsOut(child, context), metrics.arriving(child));
    return [{ text: child.title, go: child.id }, { text: show(metrics.arriving(child)), tone: "gradient" }, { text: show(gain), gain }];
  });
  return rows.length ? [{ kind: "table", heading: "One by one", columns: ["member", "gradient (rms)", "gain"], rows }] : [];
}

function rmsOut(group: Group, context: Context): number | null {
  const metrics = context.metrics();
  const activations = metrics.boundary(group, "downstream")
    .filter((edge) => metrics.ledger.nodes[edge.source]!.kind !== "parameter" && metrics.edgeNorm(edge) !== null);
  const size = activations.reduce((total, edge) => total + edge.size, 0);
  return size ? Math.hypot(...activations.map((edge) => metrics.edgeNorm(edge)!)) / Math.sqrt(size) : null;
}

function parameters(group: Group, context: Context): Section[] {
  const metrics = context.metrics();
  const found = group.leaves.map((id) => metrics.ledger.nodes[id]!).filter((node) => node.kind === "parameter");
  if (!found.length) return [];
  const rows = found.slice(0, 100).map((node): CellLike[] => [
    { text: node.label, node: node.id, title: node.label },
    { text: shape(node.shape), tone: "muted" },
    { text: show(metrics.value(node)?.rms), tone: "value" },
    { text: show(metrics.upstreamRms(node)), tone: "gradient" },
  ]);
  return [{ kind: "table", heading: "Parameters (rms)", columns: ["name", "shape", "value", "gradient"], rows,
    note: found.length > rows.length ? `and ${found.length - rows.length} more` : undefined }];
}

function groupSheet(group: Group, context: Context): Sheet {
  const inside = new Set(group.leaves);
  const findings = context.ledger.findings.filter((finding) => finding.node !== null && inside.has(finding.node));
  const words = { root: "model", module: "module", call: "call", stack: "identical layers", unit: "repeat", chunk: group.times > 1 ? "identical layers" : "stretch" };
  return {
    kicker: [words[group.kind], group.times > 1 ? `×${group.times}` : ""].filter(Boolean).join(" "),
    title: group.kind === "module" ? group.path || group.title : group.title, subtitle: group.detail, where: null, tags: [], route: null,
    sections: [...findings.map(notice), through(group, context), ...members(group, context), ...parameters(group, context)],
  };
}

/** The sheet for whatever is selected. */
export function sheetFor(selected: string | null, context: Context): Sheet {
  if (selected === null) return overviewSheet(context);
  const item = context.tree.items.get(selected);
  if (item) return isGroup(item) ? groupSheet(item, context) : nodeSheet(context.metrics().ledger.nodes[item.node.id]!, context);
  const edge = context.visibleEdge(selected);
  if (!edge) return overviewSheet(context);
  const { ledger } = context.metrics();
  const name = (end: typeof edge.source): string => (isGroup(end) ? end.title : placeOf(end.node));
  return edgesSheet(`${name(edge.consumer)} → ${name(edge.source)}`, edge.edges.map((id) => ledger.edges[id]!), context, edge.cut);
}
