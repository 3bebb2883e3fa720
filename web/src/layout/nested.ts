// Layout group by group: dagre places the children of one open group at a time, never the whole
// graph. An edge that crosses a border passes through a port, which takes part in the layout
// inside as a small node pulled to that border.

import dagre from "@dagrejs/dagre";
import type { Group, Item } from "../model/items";
import { isOpen, type View, type VisibleEdge } from "../model/view";
import { closedSize, type Size } from "./measure";
import { attachEnds } from "./attach";
import { link, straighten, type Row } from "./straighten";

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point, Size {}

/** One open group, in its own coordinates: (0, 0) is its upper left corner. */
interface Inner extends Size {
  boxes: Map<Item, Box>;
  inner: Map<Item, Inner>;
  /** Heights at which edges cross the border. */
  ports: Map<VisibleEdge, number>;
  routes: Map<VisibleEdge, Point[]>;
}

export interface Layout extends Size {
  boxes: Map<Item, Box>;
  routes: Map<VisibleEdge, Point[]>;
}

const HEADER = 34;
const PADDING = 20;
const PORT_HEIGHT = 16;

interface Strand {
  edge: VisibleEdge;
  source: Item | null;
  consumer: Item | null;
}

/** For every open group, the visible edges that it lays out a part of. */
function strandsByGroup(view: View): Map<Group, Strand[]> {
  const strands = new Map<Group, Strand[]>();
  const put = (group: Group, strand: Strand): void => {
    const list = strands.get(group);
    if (list) list.push(strand);
    else strands.set(group, [strand]);
  };
  for (const edge of view.edges) {
    const { exits, entries, source, consumer, common } = edge;
    exits.forEach((group, level) => {
      put(group, { edge, source: level ? exits[level - 1]! : source, consumer: null });
    });
    put(common, { edge, source: exits.at(-1) ?? source, consumer: entries[0] ?? consumer });
    entries.forEach((group, level) => {
      put(group, { edge, source: null, consumer: entries[level + 1] ?? consumer });
    });
  }
  return strands;
}

export class Layouter {
  private readonly cache = new Map<string, { signature: string; inner: Inner }>();

  arrange(root: Group, view: View): Layout {
    const inner = this.group(root, view, strandsByGroup(view));
    const layout: Layout = { width: inner.width, height: inner.height, boxes: new Map(), routes: new Map() };
    flatten(inner, 0, 0, layout);
    joinRoutes(view, inner, layout);
    return layout;
  }

  private group(group: Group, view: View, strands: Map<Group, Strand[]>): Inner {
    const inner = new Map<Item, Inner>();
    const sizes = group.children.map((child): Size => {
      if (!isOpen(child, view.expanded)) return closedSize(child);
      const made = this.group(child, view, strands);
      inner.set(child, made);
      return made;
    });
    const mine = strands.get(group) ?? [];
    const signature = sizes.map((size) => `${size.width}x${size.height}`).join() + "|" +
      mine.map((strand) => `${strand.source?.id}${portOf(inner, strand.source, strand)}>${strand.consumer?.id}${portOf(inner, strand.consumer, strand)}`).join();
    const cached = this.cache.get(group.id);
    const made = cached && cached.signature === signature
      ? rebind(cached.inner, mine)
      : layoutGroup(group, sizes, mine, inner);
    made.inner = inner;
    this.cache.set(group.id, { signature, inner: made });
    return made;
  }
}

function portOf(inner: Map<Item, Inner>, item: Item | null, strand: Strand): string {
  const height = item && inner.get(item)?.ports.get(strand.edge);
  return typeof height === "number" ? `@${height.toFixed(0)}` : "";
}

/** The same picture for new edge objects: strands come in the same order, so positions carry over. */
function rebind(old: Inner, strands: Strand[]): Inner {
  const routes = [...old.routes.values()];
  const ports = [...old.ports.values()];
  const result: Inner = { ...old, routes: new Map(), ports: new Map() };
  strands.forEach(({ edge }, index) => result.routes.set(edge, routes[index]!));
  strands.filter((strand) => !strand.source || !strand.consumer)
    .forEach(({ edge }, index) => result.ports.set(edge, ports[index]!));
  return result;
}

function layoutGroup(group: Group, sizes: Size[], strands: Strand[], inner: Map<Item, Inner>): Inner {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 20, ranksep: strands.length > group.children.length ? 46 : 28, edgesep: 14, ranker: strands.length > 90 ? "tight-tree" : "network-simplex" });
  graph.setDefaultEdgeLabel(() => ({}));
  group.children.forEach((child, index) => graph.setNode(child.id, { ...sizes[index]! }));
  const ends = strands.map(({ source, consumer }, index): [string, string] => [
    source ? source.id : addPort(graph, `in${index}`, "left", index),
    consumer ? consumer.id : addPort(graph, `out${index}`, "right", index),
  ]);
  strands.forEach(({ source, consumer }, index) => {
    const [from, to] = ends[index]!;
    if (from !== to) graph.setEdge(from, to, { weight: source && consumer ? 2 : 1 }, String(index));
  });
  if (graph.hasNode("wall-left") || graph.hasNode("wall-right")) holdWalls(graph, group, strands);
  dagre.layout(graph);

  const rows = new Map<string, Row>();
  const rowOf = (id: string): Row => {
    let row = rows.get(id);
    if (!row) {
      const at = graph.node(id) as Point & Size;
      const port = at.height === PORT_HEIGHT;
      rows.set(id, (row = { y: at.y, height: port ? 0 : at.height, column: at.x, links: [] }));
    }
    return row;
  };
  group.children.forEach((child) => rowOf(child.id));
  const bends = strands.map((strand, index): Row[] => {
    const [from, to] = ends[index]!;
    const points = from === to ? [] : ((graph.edge(from, to, String(index))?.points ?? []) as Point[]);
    // Between neighbouring columns nothing is in the way.
    const way = (points.length < 4 ? [] : points.slice(1, -1)).map((point): Row => ({ y: point.y, height: 0, column: point.x, links: [] }));
    chain([rowOf(from), ...way, rowOf(to)], strand, inner);
    return way;
  });
  straighten([...rows.values(), ...bends.flat()]);
  return measured(group, sizes, strands, rows, ends, bends);
}

/** Long edges pull hardest to be straight, parameters least: they hang on the line of the values. */
function chain(rows: Row[], strand: Strand, inner: Map<Item, Inner>): void {
  const offset = (item: Item | null): number => {
    const open = item && inner.get(item);
    return open ? (open.ports.get(strand.edge) ?? open.height / 2) - open.height / 2 : 0;
  };
  const from = strand.edge.source;
  const light = from.kind === "leaf" && from.node.kind !== "op";
  const last = rows.length - 2;
  for (let index = 0; index <= last; index++) {
    const between = index > 0 && index < last;
    link(rows[index]!, rows[index + 1]!, light ? 0.15 : between ? 4 : 2,
      index ? 0 : offset(strand.source), index === last ? offset(strand.consumer) : 0);
  }
}

function measured(
  group: Group, sizes: Size[], strands: Strand[], rows: Map<string, Row>, ends: [string, string][], bends: Row[][],
): Inner {
  const open = group.kind !== "root";
  const boxes = new Map<Item, Box>();
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const stretch = (x0: number, x1: number, y0: number, y1: number): void => {
    left = Math.min(left, x0);
    right = Math.max(right, x1);
    top = Math.min(top, y0);
    bottom = Math.max(bottom, y1);
  };
  group.children.forEach((child, index) => {
    const { y, column } = rows.get(child.id)!;
    const { width, height } = sizes[index]!;
    boxes.set(child, { x: column - width / 2, y: y - height / 2, width, height });
    stretch(column - width / 2, column + width / 2, y - height / 2, y + height / 2);
  });
  for (const row of bends.flat()) stretch(row.column, row.column, row.y - 6, row.y + 6);
  const portAt = (id: string): Row => rows.get(id)!;
  strands.forEach(({ source, consumer }, index) => {
    const port = source ? (consumer ? null : portAt(ends[index]![1])) : portAt(ends[index]![0]);
    if (port) stretch(port.column, port.column, port.y - 6, port.y + 6);
  });
  const dx = (open ? PADDING : 0) - left;
  const dy = (open ? HEADER : 0) - top;
  for (const box of boxes.values()) Object.assign(box, { x: box.x + dx, y: box.y + dy });
  const ports = new Map<VisibleEdge, number>();
  const routes = new Map<VisibleEdge, Point[]>();
  strands.forEach(({ edge, source, consumer }, index) => {
    if (!source) ports.set(edge, portAt(ends[index]![0]).y + dy);
    if (!consumer) ports.set(edge, portAt(ends[index]![1]).y + dy);
    routes.set(edge, thin(bends[index]!.map(({ column, y }) => ({ x: column + dx, y: y + dy }))));
  });
  return {
    width: right - left + (open ? 2 * PADDING : 0), height: bottom - top + (open ? HEADER + PADDING : 0),
    boxes, inner: new Map(), ports, routes,
  };
}

type DagreGraph = InstanceType<typeof dagre.graphlib.Graph>;

function addPort(graph: DagreGraph, id: string, side: "left" | "right", index: number): string {
  const wall = `wall-${side}`;
  if (!graph.hasNode(wall)) graph.setNode(wall, { width: 1, height: 1 });
  graph.setNode(id, { width: 1, height: PORT_HEIGHT });
  if (side === "left") graph.setEdge(wall, id, { weight: 8 }, `wall${index}`);
  else graph.setEdge(id, wall, { weight: 8 }, `wall${index}`);
  return id;
}

/** The walls stand outside of everything, so that no port lies behind an item. */
function holdWalls(graph: DagreGraph, group: Group, strands: Strand[]): void {
  const fed = new Set(strands.filter((strand) => strand.source).map((strand) => strand.consumer));
  const feeding = new Set(strands.filter((strand) => strand.consumer).map((strand) => strand.source));
  for (const child of group.children) {
    if (graph.hasNode("wall-left") && !fed.has(child)) graph.setEdge("wall-left", child.id, { weight: 0 }, "hold");
    if (graph.hasNode("wall-right") && !feeding.has(child)) graph.setEdge(child.id, "wall-right", { weight: 0 }, "hold");
  }
}

/** Drops the points that lie on the straight line between their neighbours. */
function thin(way: Point[]): Point[] {
  return way.filter((point, index) => {
    const before = way[index - 1];
    const after = way[index + 1];
    if (!before || !after) return true;
    return Math.abs(point.y - before.y) > 1 || Math.abs(point.y - after.y) > 1;
  });
}

function flatten(inner: Inner, x: number, y: number, layout: Layout): void {
  for (const [item, box] of inner.boxes) {
    layout.boxes.set(item, { ...box, x: x + box.x, y: y + box.y });
    const deeper = inner.inner.get(item);
    if (deeper) flatten(deeper, x + box.x, y + box.y, layout);
  }
}

/** Puts the strands of an edge end to end, in absolute coordinates. */
function joinRoutes(view: View, root: Inner, layout: Layout): void {
  const innerOf = new Map<Group, Inner>();
  const collect = (inner: Inner): void => {
    for (const [item, deeper] of inner.inner) {
      innerOf.set(item as Group, deeper);
      collect(deeper);
    }
  };
  collect(root);
  const corner = (group: Group): Point => layout.boxes.get(group) ?? { x: 0, y: 0 };
  const moved = (way: Point[] | undefined, by: Point): Point[] =>
    (way ?? []).map((point) => ({ x: point.x + by.x, y: point.y + by.y }));
  for (const edge of view.edges) {
    const way: Point[] = [];
    for (const group of edge.exits) {
      const [inner, at] = [innerOf.get(group)!, corner(group)];
      way.push(...moved(inner.routes.get(edge), at), { x: at.x + inner.width, y: at.y + inner.ports.get(edge)! });
    }
    const common = edge.common.kind === "root" ? root : innerOf.get(edge.common)!;
    way.push(...moved(common.routes.get(edge), corner(edge.common)));
    for (const group of edge.entries) {
      const [inner, at] = [innerOf.get(group)!, corner(group)];
      way.push({ x: at.x, y: at.y + inner.ports.get(edge)! }, ...moved(inner.routes.get(edge), at));
    }
    layout.routes.set(edge, way);
  }
  attachEnds(view.edges, layout);
}

