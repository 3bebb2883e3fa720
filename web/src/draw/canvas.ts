// The drawing surface: an SVG that zooms and pans and keeps in the page only the marks near the
// window. It draws what it is given and reports what is clicked.

import { select, type Selection } from "d3-selection";
import "d3-transition";
import { zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { s } from "../dom";
import type { Box, Layout } from "../layout/nested";
import { isGroup, lineage, type Group, type Item } from "../model/items";
import type { Flow, Metrics } from "../model/metrics";
import { isOpen, type View, type VisibleEdge } from "../model/view";
import { drawEdge } from "./edges";
import { drawClosed, drawOpen, labelOf, type Mark } from "./nodes";
import { patterns } from "./patterns";
import type { Scales } from "./scales";
import { covers, edgesWithin, grow, itemsWithin, type Rect } from "./window";

export interface Scene {
  view: View;
  layout: Layout;
  metrics: Metrics;
  scales: Scales;
  flow: (edge: VisibleEdge) => Flow;
  severity: (item: Item) => Mark;
}

export interface CanvasEvents {
  select: (id: string | null) => void;
  toggle: (group: Group) => void;
  hover: (target: Item | VisibleEdge | null, event: PointerEvent) => void;
  moved: (transform: ZoomTransform) => void;
}

/** What stays free around a box that is brought to the middle. */
export const ROOM = 48;
const MARGIN = 0.6;
/** Below this zoom items show their name and gradient only, as large as they can. */
const FAR = 0.64;
/** Below this one, open groups keep their names and edges a visible width. */
const VERY_FAR = 0.28;

export class Canvas {
  readonly svg: SVGSVGElement;
  private readonly world = s("g", { class: "world" });
  private readonly layers = {
    open: s("g", { class: "layer-open" }),
    edges: s("g", { class: "layer-edges" }),
    closed: s("g", { class: "layer-closed" }),
  };
  private readonly items = new Map<Item, SVGGElement>();
  private readonly marks = new Map<string, SVGGElement>();
  private readonly behaviour: ZoomBehavior<SVGSVGElement, unknown>;
  private readonly selection: Selection<SVGSVGElement, unknown, null, undefined>;
  private scene: Scene | null = null;
  private drawn: Rect | null = null;
  private drawnZoom = 0;
  private accent: (mark: SVGGElement, target: Item | VisibleEdge) => void = () => {};
  transform: ZoomTransform = zoomIdentity;

  constructor(readonly host: HTMLElement, private readonly events: CanvasEvents) {
    this.svg = s("svg", { class: "graph", tabindex: 0, role: "application", "aria-label": "gradient graph" }, patterns(), this.world);
    this.world.append(this.layers.open, this.layers.edges, this.layers.closed);
    host.append(this.svg);
    this.selection = select(this.svg);
    this.behaviour = zoom<SVGSVGElement, unknown>()
      .scaleExtent([0.02, 3])
      .on("zoom", (event: D3ZoomEvent<SVGSVGElement, unknown>) => this.onZoom(event.transform));
    this.selection.call(this.behaviour).on("dblclick.zoom", null);
    this.listen();
  }

  private listen(): void {
    this.svg.addEventListener("click", (event) => {
      const target = event.target as Element;
      const item = this.itemAt(target);
      if (item && isGroup(item) && target.classList.contains("chevron")) return this.events.toggle(item);
      this.events.select(item?.id ?? this.edgeAt(target)?.id ?? null);
    });
    this.svg.addEventListener("dblclick", (event) => {
      const item = this.itemAt(event.target as Element);
      if (item && isGroup(item)) this.events.toggle(item);
    });
    this.svg.addEventListener("pointermove", (event) => {
      const target = event.target as Element;
      this.events.hover(this.itemAt(target) ?? this.edgeAt(target), event);
    });
    this.svg.addEventListener("pointerleave", (event) => this.events.hover(null, event));
  }

  private itemAt(target: Element): Item | null {
    const mark = target.closest<SVGGElement>("[data-item]");
    if (!mark) return null;
    for (const [item, element] of this.items) if (element === mark) return item;
    return null;
  }

  private edgeAt(target: Element): VisibleEdge | null {
    const id = target.closest<SVGGElement>("[data-edge]")?.dataset.edge;
    return this.scene?.view.edges.find((edge) => edge.id === id) ?? null;
  }

  /** Replaces what is drawn. Marks near the window are made anew; the rest comes when panned to. */
  show(scene: Scene): void {
    this.scene = scene;
    this.items.clear();
    this.marks.clear();
    for (const layer of Object.values(this.layers)) layer.replaceChildren();
    this.drawn = null;
    this.refresh();
  }

  /** Redraws the contents of the marks in place: another step, other colours, the same layout. */
  restyle(scene: Scene): void {
    this.scene = scene;
    for (const [item, mark] of this.items) this.drawItem(item, mark);
    for (const edge of scene.view.edges) {
      const mark = this.marks.get(edge.id);
      if (mark) this.drawLink(edge, mark);
    }
  }

  /** Sets how marks are accented (selected, dimmed, on the route), now and as they appear. */
  setAccent(accent: (mark: SVGGElement, target: Item | VisibleEdge) => void): void {
    this.accent = accent;
    for (const [item, mark] of this.items) accent(mark, item);
    for (const edge of this.scene?.view.edges ?? []) {
      const mark = this.marks.get(edge.id);
      if (mark) accent(mark, edge);
    }
  }

  private onZoom(transform: ZoomTransform): void {
    this.transform = transform;
    this.world.setAttribute("transform", transform.toString());
    const { k } = transform;
    this.svg.classList.toggle("far", k < FAR);
    this.svg.classList.toggle("very-far", k < VERY_FAR);
    this.svg.style.setProperty("--zoom", k.toFixed(4));
    this.refresh();
    this.events.moved(transform);
  }

  private visibleRect(): Rect {
    const { x, y, k } = this.transform;
    const { clientWidth, clientHeight } = this.host;
    return { x0: -x / k, y0: -y / k, x1: (clientWidth - x) / k, y1: (clientHeight - y) / k };
  }

  private refresh(): void {
    if (!this.scene) return;
    const rect = this.visibleRect();
    const { k } = this.transform;
    const zoomed = k > this.drawnZoom * 1.6 || k < this.drawnZoom / 1.6;
    if (!zoomed && covers(this.drawn, rect)) return;
    this.drawn = grow(rect, MARGIN);
    this.drawnZoom = k;
    this.reconcile(this.scene, this.drawn, k);
  }

  private reconcile(scene: Scene, rect: Rect, k: number): void {
    const wanted = itemsWithin(scene.layout, rect, k);
    for (const [item, mark] of this.items) {
      if (!wanted.has(item)) {
        mark.remove();
        this.items.delete(item);
      }
    }
    for (const item of wanted) {
      if (this.items.has(item)) continue;
      const mark = s("g", { "data-item": item.id });
      this.items.set(item, mark);
      const layer = isOpen(item, scene.view.expanded) ? this.layers.open : this.layers.closed;
      layer.append(mark);
      this.drawItem(item, mark);
    }
    this.stackOpenGroups(scene);
    const edges = edgesWithin(scene.view, scene.layout, rect, k);
    const ids = new Set([...edges].map((edge) => edge.id));
    for (const [id, mark] of this.marks) {
      if (!ids.has(id)) {
        mark.remove();
        this.marks.delete(id);
      }
    }
    for (const edge of edges) {
      if (this.marks.has(edge.id)) continue;
      const mark = s("g");
      this.marks.set(edge.id, mark);
      this.layers.edges.append(mark);
      this.drawLink(edge, mark);
    }
  }

  /** Inner groups lie above outer ones, in whatever order they came into the window. */
  private stackOpenGroups(scene: Scene): void {
    for (const item of scene.layout.boxes.keys()) {
      const mark = this.items.get(item);
      if (mark && isOpen(item, scene.view.expanded)) this.layers.open.append(mark);
    }
  }

  private drawItem(item: Item, mark: SVGGElement): void {
    const scene = this.scene!;
    const box = scene.layout.boxes.get(item)!;
    mark.setAttribute("transform", `translate(${box.x.toFixed(1)} ${box.y.toFixed(1)})`);
    if (isOpen(item, scene.view.expanded)) drawOpen(mark, item, box, lineage(item).length);
    else drawClosed(mark, item, box, scene.metrics, scene.severity(item));
    mark.setAttribute("role", "button");
    mark.setAttribute("aria-label", labelOf(item, scene.metrics));
    this.accent(mark, item);
  }

  private drawLink(edge: VisibleEdge, mark: SVGGElement): void {
    const { layout, scales, flow } = this.scene!;
    drawEdge(mark, edge, layout.routes.get(edge)!, flow(edge), scales);
    this.accent(mark, edge);
  }

  /** Moves a box of the drawing to the middle of the window. */
  fit(box: Box, animate: boolean, closest = 1.15): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    const k = Math.min(closest, (width - ROOM) / box.width, (height - ROOM) / box.height);
    const x = width / 2 - (box.x + box.width / 2) * k;
    const y = height / 2 - (box.y + box.height / 2) * k;
    this.moveTo(zoomIdentity.translate(x, y).scale(k), animate);
  }

  /** Show the picture as a link says: shifted by x and y, then enlarged. */
  place([x, y, k]: [number, number, number]): void {
    this.moveTo(zoomIdentity.translate(x, y).scale(k), false);
  }

  moveTo(transform: ZoomTransform, animate: boolean): void {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (animate && !calm) this.selection.transition().duration(320).call(this.behaviour.transform, transform);
    else this.selection.interrupt().call(this.behaviour.transform, transform);
  }

  zoomBy(factor: number): void {
    this.selection.transition().duration(160).call(this.behaviour.scaleBy, factor);
  }

  panBy(dx: number, dy: number): void {
    const { x, y, k } = this.transform;
    this.moveTo(zoomIdentity.translate(x + dx, y + dy).scale(k), false);
  }
}
