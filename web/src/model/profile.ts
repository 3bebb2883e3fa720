// The depth profile: one column a block, in forward order, with the gradient that arrives there,
// how it splits over branches, and the gradients of its parameters.

import { ancestors, callsOf } from "./calls";
import type { Ledger, LedgerNode } from "./ledger";
import type { Metrics } from "./metrics";
import { isGroup, type Group } from "./items";
import { nameOf } from "./place";
import type { Tree } from "./tree";
import { sharesOf } from "../draw/shares";

export interface Column {
  title: string;
  nodes: number[];
  parameters: number[];
  first: number;
}

export interface ColumnNumbers {
  arriving: number | null;
  gain: number | null;
  shares: number[];
  parameters: { id: number; rms: number | null }[];
}

const MOST_COLUMNS = 96;
// Blocks say more than their parts, as soon as there are this many.
const ENOUGH_COLUMNS = 8;

function cut(path: string, depth: number): string {
  return path.split(".").slice(0, depth).join(".");
}

function columnsAt(nodes: LedgerNode[], depth: number, calls: ReturnType<typeof callsOf>): Column[] {
  const columns = new Map<string, Column>();
  const holders = new Set(nodes.flatMap((node) => (node.kind === "op" ? ancestors(node.module).slice(0, -1) : [])));
  let before = null as Column | null;
  for (const node of nodes) {
    if (node.kind !== "op") continue;
    const path = cut(node.module, depth);
    const call = calls(node);
    const key: string = call && path.startsWith(call.outer) ? `${path} @${call.number + 1}` : path;
    // What a module does between its parts, such as an activation, belongs to the part before.
    const between = holders.has(path) && ancestors(path).length <= depth;
    const known: Column | undefined = between && before?.title.startsWith(path) ? before : columns.get(key);
    if (known) known.nodes.push(node.id);
    else columns.set(key, { title: key, nodes: [node.id], parameters: [], first: node.id });
    before = known ?? columns.get(key)!;
  }
  return [...columns.values()].sort((a, b) => a.first - b.first);
}

/** A model without modules is cut into stretches of the operations that a gradient reached. */
function stretches(nodes: LedgerNode[]): Column[] {
  const operations = nodes.filter((node) => node.kind === "op" && node.upstream);
  const size = Math.max(1, Math.ceil(operations.length / MOST_COLUMNS));
  const columns: Column[] = [];
  for (let at = 0; at < operations.length; at += size) {
    const part = operations.slice(at, at + size);
    const title = part.length === 1 ? nameOf(part[0]!) : `${at + 1}–${at + part.length}`;
    columns.push({ title, nodes: part.map((node) => node.id), parameters: [], first: part[0]!.id });
  }
  return columns;
}

/** Parameters stand in the column where they are first used. */
function giveParameters(columns: Column[], ledger: Ledger): Column[] {
  const owner = new Map(columns.flatMap((column) => column.nodes.map((id) => [id, column] as const)));
  for (const node of ledger.nodes) {
    if (node.kind !== "parameter" || !node.arrived.length) continue;
    const users = node.arrived.map((id) => ledger.edges[id]!.consumer);
    owner.get(Math.min(...users))?.parameters.push(node.id);
  }
  return columns;
}

/** The steps of an unrolled recurrence stand side by side, as blocks do. */
function unrolled(columns: Column[], tree: Tree): Column[] {
  return columns.flatMap((column) => {
    const module = tree.items.get(`m:${column.title}`);
    const stack = module && isGroup(module) ? [module, ...module.children].find((item) => item.kind === "stack") : undefined;
    const steps = stack && isGroup(stack) ? repeatsOf(stack) : [];
    if (!steps.length || columns.length + steps.length > MOST_COLUMNS) return [column];
    const inside = new Map(steps.flatMap((step) => step.leaves.map((id) => [id, step] as const)));
    const made = new Map(steps.map((step): [Group, Column] => [
      step, { title: `${column.title} ${step.title}`, nodes: [], parameters: [], first: step.leaves[0]! },
    ]));
    const rest: Column = { ...column, nodes: [] };
    for (const id of column.nodes) (made.get(inside.get(id)!) ?? rest).nodes.push(id);
    const before = rest.nodes.length && rest.nodes[0]! < steps[0]!.leaves[0]! ? [rest] : [];
    return [...before, ...made.values(), ...(before.length || !rest.nodes.length ? [] : [rest])];
  });
}

/** The repeats of a stack, through the stretches that a long one is cut into. */
function repeatsOf(stack: Group): Group[] {
  return stack.children.filter(isGroup).flatMap((child) => (child.kind === "chunk" ? repeatsOf(child) : child.kind === "unit" ? [child] : []));
}

export function columnsOf(ledger: Ledger, tree: Tree): Column[] {
  const { nodes } = ledger;
  const deepest = Math.max(0, ...nodes.map((node) => (node.module ? node.module.split(".").length : 0)));
  const calls = callsOf(ledger);
  let chosen: Column[] = [];
  for (let depth = 1; depth <= deepest && chosen.length < ENOUGH_COLUMNS; depth++) {
    const columns = columnsAt(nodes, depth, calls);
    if (columns.length > MOST_COLUMNS) break;
    chosen = columns;
  }
  chosen = unrolled(chosen, tree);
  return giveParameters(chosen.length > 3 ? chosen : stretches(nodes), ledger);
}

export function numbersOf(column: Column, metrics: Metrics): ColumnNumbers {
  const { ledger } = metrics;
  const inside = new Set(column.nodes);
  let [arrived, arrivedSize, sent, sentSize] = [0, 0, 0, 0];
  let join: LedgerNode | null = null;
  for (const id of column.nodes) {
    const node = ledger.nodes[id]!;
    for (const at of node.arrived) {
      const edge = ledger.edges[at]!;
      const norm = metrics.edgeNorm(edge);
      if (inside.has(edge.consumer) || norm === null) continue;
      arrived += norm * norm;
      arrivedSize += edge.size;
    }
    for (const at of node.downstream) {
      const edge = ledger.edges[at]!;
      const norm = metrics.edgeNorm(edge);
      if (inside.has(edge.source) || norm === null || ledger.nodes[edge.source]!.kind === "parameter") continue;
      sent += norm * norm;
      sentSize += edge.size;
    }
    if (node.arrived.length > 1 && (!join || (metrics.upstreamNorm(node) ?? 0) > (metrics.upstreamNorm(join) ?? 0))) join = node;
  }
  const last = ledger.nodes[column.nodes[column.nodes.length - 1]!]!;
  const arriving = arrivedSize ? Math.sqrt(arrived / arrivedSize) : metrics.upstreamRms(last);
  const leaving = sentSize ? Math.sqrt(sent / sentSize) : null;
  return {
    arriving,
    gain: arriving && leaving !== null ? leaving / arriving : null,
    shares: join ? sharesOf(join, metrics).map((item) => item.share) : [],
    parameters: column.parameters.map((id) => ({ id, rms: metrics.upstreamRms(ledger.nodes[id]!) })),
  };
}
