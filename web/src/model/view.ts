// What is visible for a set of expanded groups: the items, and the edges between them. Every
// edge of the ledger is drawn between the outermost closed items around its two ends.

import { repeatsOf } from "./fold";
import { contains, isGroup, lineage, type Group, type Item } from "./items";
import type { Ledger } from "./ledger";
import type { Tree } from "./tree";

export interface VisibleEdge {
  id: string;
  source: Item;
  consumer: Item;
  /** Ids of the ledger's edges that run here. */
  edges: number[];
  /** Index into `Ledger.cuts` for a drawn cut, which has no edge of its own. */
  cut: number | null;
  /** Open groups around the source (innermost first) up to the common one, which is not included. */
  exits: Group[];
  /** Open groups around the consumer, outermost first. */
  entries: Group[];
  common: Group;
}

export interface View {
  expanded: ReadonlySet<string>;
  edges: VisibleEdge[];
  /** The visible item that stands for each node. */
  shown: Item[];
}

export function isOpen(item: Item, expanded: ReadonlySet<string>): item is Group {
  return isGroup(item) && (item.kind === "root" || expanded.has(item.id));
}

function connect(source: Item, consumer: Item, root: Group): Omit<VisibleEdge, "edges" | "cut" | "id"> {
  const from = lineage(source);
  const to = lineage(consumer);
  let depth = 0;
  while (from[depth] === to[depth] && isGroup(from[depth]!)) depth++;
  return {
    source,
    consumer,
    common: depth ? (from[depth - 1] as Group) : root,
    exits: from.slice(depth, -1).reverse() as Group[],
    entries: to.slice(depth, -1) as Group[],
  };
}

/** More uses than this of one parameter inside one open group end together at its border. */
const MOST_USES = 5;

/**
 * Where the edges of a parameter that is used all over an open group end: at the border of the
 * outermost group inside which they part. The use itself is seen when the group is closed, and in
 * the side panel.
 */
function sharedEnds(ledger: Ledger, shown: Item[]): Map<string, Item> {
  const uses = new Map<string, { group: Group; inside: Set<Item> }>();
  for (const edge of ledger.edges) {
    const source = shown[edge.source]!;
    const consumer = shown[edge.consumer]!;
    if (isGroup(source) || source.node.kind === "op") continue;
    for (let group = consumer.parent; group && !contains(group, source); group = group.parent) {
      const key = `${source.id}>${group.id}`;
      const use = uses.get(key) ?? uses.set(key, { group, inside: new Set() }).get(key)!;
      use.inside.add(lineage(consumer)[lineage(group).length]!);
    }
  }
  const ends = new Map<string, Item>();
  for (const [key, { group, inside }] of uses) if (inside.size > MOST_USES) ends.set(key, group);
  return ends;
}

export function makeView(ledger: Ledger, tree: Tree, expanded: ReadonlySet<string>): View {
  const shown = tree.leafOf.map((leaf) => {
    for (const item of lineage(leaf)) if (!isOpen(item, expanded)) return item;
    return leaf;
  });
  const ends = sharedEnds(ledger, shown);
  const endOf = (source: Item, consumer: Item): Item =>
    lineage(consumer).find((around) => ends.has(`${source.id}>${around.id}`)) ?? consumer;
  const edges = new Map<string, VisibleEdge>();
  const add = (source: number, consumer: number, edge: number | null, cut: number | null): void => {
    const from = shown[source];
    const close = shown[consumer];
    if (!from || !close || from === close) return;
    const to = ends.size && cut === null ? endOf(from, close) : close;
    const id = cut === null ? `${from.id}>${to.id}` : `cut${cut}`;
    let known = edges.get(id);
    if (!known) {
      known = { id, edges: [], cut, ...connect(from, to, tree.root) };
      edges.set(id, known);
    }
    if (edge !== null) known.edges.push(edge);
  };
  for (const edge of ledger.edges) add(edge.source, edge.consumer, edge.id, null);
  ledger.cuts.forEach((cut, index) => {
    if (cut.source === null || cut.consumer === null || cut.source === cut.consumer) return;
    const recorded = ledger.edges.some(
      (edge) => edge.cut && edge.source === cut.source && edge.consumer === cut.consumer,
    );
    if (!recorded) add(cut.source, cut.consumer, null, index);
  });
  return { expanded, edges: [...edges.values()], shown };
}

/** The open groups that must be open for `item` to be seen. */
export function ancestorsOf(item: Item): string[] {
  return lineage(item).slice(0, -1).map((group) => group.id);
}

/** A calm first view: groups are opened, smallest first, as long as the picture still `fits`. */
export function firstExpansion(tree: Tree, fits: (expanded: ReadonlySet<string>) => boolean): Set<string> {
  let expanded = new Set<string>();
  const queue = tree.root.children.filter(isGroup);
  for (let tries = 8; queue.length && tries > 0; tries--) {
    queue.sort((a, b) => a.children.length - b.children.length);
    const next = queue.shift()!;
    const wider = new Set([...expanded, next.id]);
    const alone = tree.root.children.length === 1 && next.parent === tree.root;
    if (next.children.length > 48 || (!alone && !fits(wider))) continue;
    expanded = wider;
    queue.push(...next.children.filter(isGroup));
  }
  return expanded;
}

/** Each try is a layout; what is open already is remembered. */
const MOST_TRIES = 48;

/**
 * Everything in `group` that can be open while the picture still `fits`, the outermost first, and
 * last of all where there is nothing to see but one operation again and again.
 */
export function fullExpansion(
  group: Group, expanded: ReadonlySet<string>, fits: (expanded: ReadonlySet<string>) => boolean,
): { expanded: Set<string>; closed: number } {
  let open = new Set([...expanded, ...ancestorsOf(group), ...(group.kind === "root" ? [] : [group.id])]);
  let [closed, tries] = [0, 0];
  const queue: Group[] = [];
  const dull: Group[] = [];
  const line = (children: Item[]): void => {
    for (const child of children.filter(isGroup)) (repeatsOf(child).some(isGroup) || child.times < 2 ? queue : dull).push(child);
  };
  line(group.children);
  for (let next = queue.shift() ?? dull.shift(); next; next = queue.shift() ?? dull.shift()) {
    if (!open.has(next.id)) {
      const wider = new Set([...open, next.id]);
      if (tries++ >= MOST_TRIES || !fits(wider)) {
        closed++;
        continue;
      }
      open = wider;
    }
    line(next.children);
  }
  return { expanded: open, closed };
}
