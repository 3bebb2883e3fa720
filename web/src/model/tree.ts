// From the flat list of nodes to the tree of items: modules, then calls, then folds, then chunks.

import { chunk, fold, mergeStack } from "./fold";
import { shape } from "./format";
import { adopt, isGroup, newGroup, type Group, type Item, type Leaf } from "./items";
import type { Ledger, LedgerNode } from "./ledger";

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
  if (node.kind === "op") return node.op.replace(/Backward\d*$/, "") || node.op;
  return node.label || node.op;
}

function makeLeaf(node: LedgerNode, order: number): Leaf {
  return {
    kind: "leaf", id: `n${node.id}`, node, parent: undefined as unknown as Group, order,
    title: leafTitle(node), detail: shape(node.shape),
  };
}

class ModuleTree {
  readonly root = newGroup("root", "root", "model");
  private readonly groups = new Map<string, Group>([["", this.root]]);

  constructor(private readonly ledger: Ledger) {}

  group(path: string, key = path): Group {
    const known = this.groups.get(key);
    if (known) return known;
    const cut = key.lastIndexOf(".");
    const parentPath = path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : "";
    const parent = this.group(parentPath, cut < 0 ? "" : key.slice(0, cut));
    const made = newGroup("module", `m:${key}`, lastSegment(path));
    made.path = path;
    made.detail = this.ledger.modules.get(path)?.class ?? "";
    parent.children.push(made);
    this.groups.set(key, made);
    return made;
  }

  /** The n-th call of a module, inside the module; its inner modules get groups of their own. */
  call(path: string, step: number): Group {
    const key = `${path}@${step}`;
    const known = this.groups.get(key);
    if (known) return known;
    const made = newGroup("call", `c:${key}`, `call ${step + 1}`);
    made.path = path;
    this.group(path).children.push(made);
    this.groups.set(key, made);
    return made;
  }

  inCall(outer: string, step: number, path: string): Group {
    const call = this.call(outer, step);
    if (path === outer) return call;
    const inner = outer ? path.slice(outer.length + 1) : path;
    return this.group(path, `${outer}@${step}.${inner}`);
  }
}

/** For each module path: the outermost module around it that is called several times as a whole. */
function repeatedModules(ledger: Ledger): Map<string, string> {
  const steps = new Map<string, Set<number>>();
  const once = new Set<string>();
  for (const node of ledger.nodes) {
    if (node.kind !== "op") continue;
    for (const path of ancestors(node.module)) {
      if (node.step === null) once.add(path);
      else (steps.get(path) ?? steps.set(path, new Set()).get(path)!).add(node.step);
    }
  }
  const repeated = (path: string) => !once.has(path) && (steps.get(path)?.size ?? 0) > 1;
  const outer = new Map<string, string>();
  for (const path of steps.keys()) {
    const whole = ancestors(path).find(repeated);
    if (whole !== undefined) outer.set(path, whole);
  }
  return outer;
}

/** "", "a", "a.b" for "a.b". */
function ancestors(path: string): string[] {
  const result = [""];
  if (!path) return result;
  const parts = path.split(".");
  parts.forEach((_, index) => result.push(parts.slice(0, index + 1).join(".")));
  return result;
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
  const repeated = repeatedModules(ledger);
  const leafOf = ledger.nodes.map((node) => makeLeaf(node, order[node.id]!));
  for (const leaf of leafOf) {
    const { module, step, kind } = leaf.node;
    const outer = kind === "op" && step !== null ? repeated.get(module) : undefined;
    const home = outer === undefined ? modules.group(module) : modules.inCall(outer, step!, module);
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
