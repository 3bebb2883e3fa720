// From the flat list of nodes to the tree of items: modules, then calls, then folds, then chunks.

import { callsOf, listsOf } from "./calls";
import { chunk, fold, mergeStack } from "./fold";
import { shape } from "./format";
import { adopt, isGroup, newGroup, type Group, type Item, type Leaf } from "./items";
import type { Ledger, LedgerNode } from "./ledger";
import { nameOf } from "./place";

export interface Tree {
  root: Group;
  leafOf: Leaf[];
  items: Map<string, Item>;
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** Leaves without inputs stand where they are first used, whatever their number. */
function orders(ledger: Ledger): number[] {
  const first = ledger.nodes.map((node) => node.id);
  for (const node of ledger.nodes) if (node.kind === "parameter" || node.kind === "input") first[node.id] = Infinity;
  for (const edge of ledger.edges) {
    const source = ledger.nodes[edge.source]!;
    if (source.kind === "parameter" || source.kind === "input") {
      first[source.id] = Math.min(first[source.id]!, edge.consumer - 1 + (edge.argument + 1) / 64);
    }
  }
  return first.map((order, id) => (Number.isFinite(order) ? order : id));
}

function leafTitle(node: LedgerNode): string {
  if (node.kind === "parameter") return lastSegment(node.label || node.op);
  return nameOf(node);
}

/** Whether the node has one output: those of a tuple have nodes of their own. */
export function isSingle(node: LedgerNode): boolean {
  return node.kind !== "op" || node.shape.length > 0 || node.value !== null;
}

function makeLeaf(node: LedgerNode, order: number): Leaf {
  return {
    kind: "leaf", id: `n${node.id}`, node, parent: undefined as unknown as Group, order,
    title: leafTitle(node), detail: isSingle(node) ? shape(node.shape) : "",
  };
}

class ModuleTree {
  readonly root = newGroup("root", "root", "model");
  private readonly groups = new Map<string, Group>([["", this.root]]);
  private readonly lists: ReadonlySet<string>;

  constructor(private readonly ledger: Ledger) {
    this.lists = listsOf(ledger);
  }

  /** The group of a module; a list of modules has none, and lends its members its name. */
  group(path: string, key = path): Group {
    const known = this.groups.get(key);
    if (known) return known;
    const cut = key.lastIndexOf(".");
    const parentPath = path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : "";
    const parent = this.group(parentPath, cut < 0 ? "" : key.slice(0, cut));
    if (this.lists.has(path)) {
      this.groups.set(key, parent);
      return parent;
    }
    const made = newGroup("module", `m:${key}`, this.lists.has(parentPath) ? path.slice(parent.path ? parent.path.length + 1 : 0) : lastSegment(path));
    made.path = path;
    made.detail = this.ledger.modules.get(path)?.class ?? "";
    parent.children.push(made);
    this.groups.set(key, made);
    return made;
  }

  /** The n-th call of a module, inside the module; its inner modules get groups of their own. */
  call(path: string, number: number): Group {
    const key = `${path}@${number}`;
    const known = this.groups.get(key);
    if (known) return known;
    const made = newGroup("call", `c:${key}`, `${path ? "call" : "step"} ${number + 1}`);
    made.path = path;
    this.group(path).children.push(made);
    this.groups.set(key, made);
    return made;
  }

  inCall(outer: string, number: number, path: string): Group {
    const call = this.call(outer, number);
    if (path === outer) return call;
    const inner = outer ? path.slice(outer.length + 1) : path;
    return this.group(path, `${outer}@${number}.${inner}`);
  }
}

/** A module that does one thing is drawn as that thing. */
function unwrapSingles(group: Group): void {
  group.children = group.children.map((child) => {
    if (!isGroup(child)) return child;
    unwrapSingles(child);
    const only = child.children.length === 1 ? child.children[0]! : null;
    if (!only || isGroup(only) || child.kind === "root") return child;
    only.detail = child.title;
    return only;
  });
  adopt(group);
}

function sortTree(group: Group): void {
  for (const child of group.children) if (isGroup(child)) sortTree(child);
  adopt(group);
  group.children.sort((a, b) => a.order - b.order);
}

function foldTree(group: Group, ledger: Ledger): void {
  for (const child of group.children) if (isGroup(child)) foldTree(child, ledger);
  group.children = chunk(group.id, fold(group.id, group.children, ledger));
  mergeStack(group);
  adopt(group);
}

export function buildTree(ledger: Ledger): Tree {
  const modules = new ModuleTree(ledger);
  const order = orders(ledger);
  const calls = callsOf(ledger);
  const leafOf = ledger.nodes.map((node) => makeLeaf(node, order[node.id]!));
  for (const leaf of leafOf) {
    const { module } = leaf.node;
    const call = calls(leaf.node);
    const home = call ? modules.inCall(call.outer, call.number, module) : modules.group(module);
    home.children.push(leaf);
  }
  sortTree(modules.root);
  unwrapSingles(modules.root);
  foldTree(modules.root, ledger);
  sortTree(modules.root);

  const items = new Map<string, Item>();
  const visit = (item: Item): void => {
    items.set(item.id, item);
    if (isGroup(item)) item.children.forEach(visit);
  };
  visit(modules.root);
  return { root: modules.root, leafOf, items };
}
