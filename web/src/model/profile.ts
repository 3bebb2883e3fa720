// The depth profile: one column a block, in forward order, with the gradient that arrives there,
// how it splits over branches, and the gradients of its parameters.

import { ancestors, callsOf } from "./calls";
import type { Ledger, LedgerNode } from "./ledger";
import type { Metrics } from "./metrics";
import { repeatsOf } from "./fold";
import { isGroup, type Group } from "./items";
import { nameOf } from "./place";
import type { Tree } from "./tree";
import { sharesOf } from "../draw/shares";

export interface Column {
  /** The module, "" for what stands in none. */
  path: string;
  /** Which part of it: a repeat, one operation, a stretch of operations; nothing for all of it. */
  part: Part | null;
  nodes: number[];
  parameters: number[];
  first: number;
}

export interface Part {
  /** "step" or "call" before a number. */
  word: string;
  name: string;
}

/** "blocks.3", "cell call 7", "step 2", "recurrent gru". */
export function titleOf({ path, part }: Column): string {
  return [path, part?.word, part?.name].filter(Boolean).join(" ") || "top level";
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
// Of a small model every operation says more than a few modules.
const FEW_OPERATIONS = 24;

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
    const part = call && path.startsWith(call.outer) ? { word: path ? "call" : "step", name: String(call.number + 1) } : null;
    const key = `${path} ${part?.name ?? ""}`;
    // What a module does between its parts, such as an activation, belongs to the part before.
    const between = holders.has(path) && ancestors(path).length <= depth;
    const known: Column | undefined = between && before?.path.startsWith(path) ? before : columns.get(key);
    if (known) known.nodes.push(node.id);
    else columns.set(key, { path, part, nodes: [node.id], parameters: [], first: node.id });
    before = known ?? columns.get(key)!;
  }
  return [...columns.values()].sort((a, b) => a.first - b.first);
}

/** A model of few modules is cut into stretches of the operations that a gradient reached. */
function stretches(operations: LedgerNode[]): Column[] {
  const members = new Map<string, number>();
  for (const { module } of operations) members.set(module, (members.get(module) ?? 0) + 1);
  const size = Math.max(1, Math.ceil(operations.length / MOST_COLUMNS));
  const columns: Column[] = [];
  for (let at = 0; at < operations.length; at += size) {
    const some = operations.slice(at, at + size);
    const { module } = some[0]!;
    const path = some.every((node) => node.module === module) ? module : "";
    const name = some.length > 1 ? `${at + 1}–${at + some.length}` : nameOf(some[0]!);
    const part = path && members.get(path) === 1 ? null : { word: "", name };
    columns.push({ path, part, nodes: some.map((node) => node.id), parameters: [], first: some[0]!.id });
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
function unrolled(columns: Column[], ledger: Ledger, tree: Tree): Column[] {
  const stacks = [...tree.items.values()].filter(isGroup).filter((group) => group.kind === "stack")
    .map((stack) => repeatsOf(stack).filter(isGroup).filter((repeat) => repeat.kind === "unit"))
    .filter((steps) => steps.length);
  return columns.flatMap((column) => {
    const own = new Set(column.nodes);
    const isOwn = (id: number): boolean => own.has(id) || ledger.nodes[id]!.kind !== "op";
    const steps = column.part ? undefined : stacks.find((found) => found.every((step) => step.leaves.every(isOwn)));
    if (!steps || columns.length + steps.length > MOST_COLUMNS) return [column];
    const inside = new Map(steps.flatMap((step) => step.leaves.map((id) => [id, step] as const)));
    const made = new Map(steps.map((step): [Group, Column] => {
      const [first] = step.leaves.filter((id) => own.has(id));
      return [step, { path: ledger.nodes[first!]!.module, part: partOf(step), nodes: [], parameters: [], first: first! }];
    }));
    const rest: Column = { ...column, nodes: [] };
    for (const id of column.nodes) (made.get(inside.get(id)!) ?? rest).nodes.push(id);
    const before = rest.nodes.length && rest.nodes[0]! < made.get(steps[0]!)!.first ? [rest] : [];
    return [...before, ...made.values(), ...(before.length || !rest.nodes.length ? [] : [rest])];
  });
}

function partOf(step: Group): Part {
  const numbered = step.title.match(/^(step|repeat) (\d+)$/);
  return numbered ? { word: numbered[1]!, name: numbered[2]! } : { word: "", name: step.title };
}

export function columnsOf(ledger: Ledger, tree: Tree): Column[] {
  const { nodes } = ledger;
  const deepest = Math.max(0, ...nodes.map((node) => (node.module ? node.module.split(".").length : 0)));
  const calls = callsOf(ledger);
  let chosen: Column[] = [];
  for (let depth = 0; depth <= deepest && chosen.length < ENOUGH_COLUMNS; depth++) {
    const columns = columnsAt(nodes, depth, calls);
    if (columns.length > MOST_COLUMNS) break;
    chosen = columns;
  }
  chosen = unrolled(chosen, ledger, tree);
  const operations = nodes.filter((node) => node.kind === "op" && node.upstream);
  const enough = operations.length > FEW_OPERATIONS ? 4 : ENOUGH_COLUMNS;
  return giveParameters(chosen.length >= enough ? chosen : stretches(operations), ledger);
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
  const broken = column.nodes.some((id) => !Number.isFinite(metrics.upstreamNorm(ledger.nodes[id]!) ?? 0));
  const arriving = broken ? NaN : arrivedSize ? Math.sqrt(arrived / arrivedSize) : metrics.upstreamRms(last);
  const leaving = sentSize ? Math.sqrt(sent / sentSize) : null;
  return {
    arriving,
    gain: arriving && leaving !== null ? leaving / arriving : null,
    shares: join ? sharesOf(join, metrics).map((item) => item.share) : [],
    parameters: column.parameters.map((id) => ({ id, rms: metrics.upstreamRms(ledger.nodes[id]!) })),
  };
}
