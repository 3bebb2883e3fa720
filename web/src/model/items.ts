// What the graph shows: leaves (one node each) inside groups inside groups. A group is a module,
// a call of a module that is called many times, a stack of identical layers, one repeat of a
// repeated pattern, or a stretch of a list too long to lay out at once.

import type { LedgerNode } from "./ledger";

export type GroupKind = "root" | "module" | "call" | "stack" | "unit" | "chunk";

export interface Leaf {
  kind: "leaf";
  id: string;
  node: LedgerNode;
  parent: Group;
  title: string;
  detail: string;
  order: number;
}

export interface Group {
  kind: GroupKind;
  id: string;
  parent: Group | null;
  children: Item[];
  title: string;
  detail: string;
  path: string;
  /** How many alike it holds, where these are repeats of one another. */
  times: number;
  leaves: number[];
  parameters: number;
  order: number;
}

export type Item = Leaf | Group;

export function isGroup(item: Item): item is Group {
  return item.kind !== "leaf";
}

const lineages = new WeakMap<Item, Item[]>();

/** From the outermost group to the item itself; the root is left out. Asked of finished trees only. */
export function lineage(item: Item): Item[] {
  let chain = lineages.get(item);
  if (!chain) {
    chain = item.parent ? [...lineage(item.parent), item] : [];
    lineages.set(item, chain);
  }
  return chain;
}

export function leavesOf(item: Item): number[] {
  return isGroup(item) ? item.leaves : [item.node.id];
}

export function contains(group: Group, item: Item): boolean {
  for (let current: Item | null = item; current; current = current.parent) {
    if (current === group) return true;
  }
  return false;
}

/** Fills `leaves`, `parameters` and `order` of a group from its children, and sets their parent. */
export function adopt(group: Group): Group {
  group.leaves = [];
  group.parameters = 0;
  for (const child of group.children) {
    child.parent = group;
    if (isGroup(child)) {
      group.leaves.push(...child.leaves);
      group.parameters += child.parameters;
    } else {
      group.leaves.push(child.node.id);
      group.parameters += child.node.kind === "parameter" ? 1 : 0;
    }
  }
  if (group.children.length) group.order = Math.min(...group.children.map((child) => child.order));
  return group;
}

export function newGroup(kind: GroupKind, id: string, title: string, children: Item[] = []): Group {
  return adopt({
    kind, id, title, detail: "", path: "", times: 1, parent: null, children,
    leaves: [], parameters: 0, order: Infinity,
  });
}
