// The page: puts the parts together and keeps them in step with the state.

import { Canvas, ROOM, type Scene } from "./draw/canvas";
import { edgeState } from "./draw/edges";
import { groupSummary, type Mark } from "./draw/nodes";
import { makeScales, type Scales } from "./draw/scales";
import type { Context } from "./context";
import { h } from "./dom";
import { decodeView, encodeView } from "./hash";
import { Layouter, type Layout } from "./layout/nested";
import { aligned } from "./model/aligned";
import { itemMatches, matchingNodes, active as filtering } from "./model/filter";
import { percent, show } from "./model/format";
import { isGroup, leavesOf, type Group, type Item } from "./model/items";
import type { Ledger } from "./model/ledger";
import { Metrics, normDomain, ratio, type Flow } from "./model/metrics";
import { placeOf } from "./model/place";
import { routeTo, type Route } from "./model/routes";
import { buildTree, type Tree } from "./model/tree";
import { ancestorsOf, firstExpansion, isOpen, makeView, type View, type VisibleEdge } from "./model/view";
import { Panel } from "./panel/panel";
import { Verdict } from "./parts/chips";
import { renderLegend } from "./parts/legend";
import { Profile } from "./parts/profile";
import { Steps } from "./parts/steps";
import { Tooltip } from "./parts/tooltip";
import { initialState, Store, type State } from "./state";

const FIRST_SCALE = 0.78;
/** The zoom below which a picture that is shown whole could not be read. */
const LEAST_FIRST = 0.5;
const SCENE_KEYS: (keyof State)[] = ["step", "mode", "theme"];

export class App implements Context {
  readonly tree: Tree;
  readonly store: Store;
  readonly canvas: Canvas;
  readonly panel: Panel;
  readonly steps: Steps;
  readonly tooltip: Tooltip;
  readonly verdict: Verdict;
  readonly stage = h("div", { class: "stage" });
  view: View;
  layout: Layout;
  private readonly legend = h("div", { class: "legend" });
  private readonly live = h("div", { class: "toast", role: "status", "aria-live": "polite" });
  private readonly profile: Profile;
  private readonly layouter = new Layouter();
  private readonly otherLedger: Ledger | null;
  private readonly domain: [number, number];
  private readonly worst = new Map<number, Mark>();
  private numbers = new Map<string, Metrics>();
  private scales: Scales;
  private lit: Route | null = null;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private toastTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly root: HTMLElement, readonly ledger: Ledger, private readonly useHash: boolean) {
    this.tree = buildTree(ledger);
    this.otherLedger = ledger.compare ? aligned(ledger, ledger.compare) : null;
    this.domain = normDomain(this.otherLedger ? [ledger, this.otherLedger] : [ledger]);
    for (const finding of [...ledger.findings].reverse()) if (finding.node !== null) this.worst.set(finding.node, finding.severity);
    const saved = useHash ? decodeView(location.hash) : null;
    const first = saved ? new Set<string>() : firstExpansion(this.tree, (expanded) => this.fitsFirst(expanded));
    this.store = new Store({ ...initialState(first), ...saved?.state });
    this.applyTheme();
    this.scales = makeScales(this.domain, this.shade());
    this.view = makeView(ledger, this.tree, this.store.state.expanded);
    this.layout = this.layouter.arrange(this.tree.root, this.view);
    this.tooltip = new Tooltip(root);
    this.canvas = new Canvas(this.stage, {
      select: (id) => this.store.set({ selected: id }),
      toggle: (group) => this.toggle(group),
      hover: (target, event) => this.hover(target, event),
      moved: () => {
        this.tooltip?.hide();
        this.save();
      },
    });
    this.panel = new Panel(this);
    this.verdict = new Verdict(this);
    this.steps = new Steps(this);
    this.profile = new Profile(this, this.tooltip, this.otherLedger);
    this.stage.append(this.live);
    root.append(
      this.verdict.element, this.profile.element,
      h("main", { class: "main" }, h("div", { class: "graph-frame" }, this.stage, this.legend), this.panel.element), this.steps.element, this.tooltip.element,
    );
    this.store.subscribe((_, changed) => this.update(changed));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    if (useHash) window.addEventListener("hashchange", (event) => this.follow(new URL(event.newURL).hash));
    this.relight();
    this.drawAll();
    this.renderFrame();
    requestAnimationFrame(() => {
      if (saved?.transform) this.canvas.place(saved.transform);
      else this.firstLook();
      root.dataset.opened = performance.now().toFixed(0);
      root.dataset.ready = "true";
    });
  }

  /** Whether a first view stays large enough to read, whatever the window's size. */
  private fitsFirst(expanded: ReadonlySet<string>): boolean {
    const { clientWidth, clientHeight } = this.root;
    const panel = Math.min(396, Math.max(300, 0.32 * clientWidth)); // as in panel.css
    const { width, height } = this.layouter.arrange(this.tree.root, makeView(this.ledger, this.tree, expanded));
    return width * FIRST_SCALE < clientWidth - panel - 48 && height * FIRST_SCALE < clientHeight - 300;
  }

  /** Whether a group with these groups open can be seen whole and read. */
  fitsWhole(group: Group, expanded: ReadonlySet<string>): boolean {
    const layout = this.layouter.arrange(this.tree.root, makeView(this.ledger, this.tree, expanded));
    const { width, height } = layout.boxes.get(group) ?? layout;
    return width * LEAST_FIRST < this.stage.clientWidth - ROOM && height * LEAST_FIRST < this.stage.clientHeight - ROOM;
  }

  metrics(): Metrics {
    const { mode, step } = this.store.state;
    const there = mode === "other" && this.otherLedger;
    return this.numbersOf(there ? this.otherLedger! : this.ledger, step);
  }

  other(): Metrics | null {
    if (!this.otherLedger || this.store.state.mode === "other") return null;
    return this.numbersOf(this.otherLedger, this.store.state.step);
  }

  private numbersOf(ledger: Ledger, step: number | null): Metrics {
    const key = `${ledger === this.ledger ? "here" : "other"}${step}`;
    let known = this.numbers.get(key);
    if (!known) {
      if (this.numbers.size > 24) this.numbers.clear();
      this.numbers.set(key, (known = new Metrics(ledger, step !== null && step < ledger.steps.length ? step : null)));
    }
    return known;
  }

  visibleEdge(id: string): VisibleEdge | null {
    return this.view.edges.find((edge) => edge.id === id) ?? null;
  }

  announce(message: string): void {
    this.live.textContent = message;
    this.live.classList.add("shown");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => this.live.classList.remove("shown"), 1200 + 45 * message.length);
  }

  toggle(group: Group): void {
    const expanded = new Set(this.store.state.expanded);
    if (expanded.has(group.id)) expanded.delete(group.id);
    else expanded.add(group.id);
    const before = this.layout.boxes.get(group);
    this.store.set({ expanded });
    this.holdStill(group, before);
  }

  /** The corner of the group that was opened or closed stays where it was on the screen. */
  private holdStill(group: Group, before: { x: number; y: number } | undefined): void {
    const after = this.layout.boxes.get(group);
    if (!before || !after) return;
    const { k } = this.canvas.transform;
    this.canvas.panBy((before.x - after.x) * k, (before.y - after.y) * k);
    const fits = after.width * k < this.stage.clientWidth && after.height * k < this.stage.clientHeight;
    if (isOpen(group, this.view.expanded) && !fits) this.canvas.fit(after, true);
  }

  go(item: Item): void {
    const missing = ancestorsOf(item).filter((id) => !this.store.state.expanded.has(id));
    const expanded = missing.length ? new Set([...this.store.state.expanded, ...missing]) : this.store.state.expanded;
    this.store.set({ expanded, selected: item.id, panel: true });
    const box = this.layout.boxes.get(item);
    if (!box) return;
    // Some of the surroundings belong to the picture.
    const room = isGroup(item) ? 60 : 190;
    this.canvas.fit({ x: box.x - room, y: box.y - room * 0.6, width: box.width + 2 * room, height: box.height + 1.2 * room }, true, 1.2);
  }

  goNode(id: number): void {
    const leaf = this.tree.leafOf[id];
    if (leaf) this.go(leaf);
  }

  goEdge(id: number): void {
    const edge = this.ledger.edges[id];
    if (!edge) return;
    this.goNode(edge.source);
    this.goNode(edge.consumer);
    this.store.set({ selected: `n${edge.source}>n${edge.consumer}` });
  }

  fitAll(animate: boolean): void {
    this.canvas.fit({ x: 0, y: 0, width: this.layout.width, height: this.layout.height }, animate);
  }

  /** Everything, or where that would be too small to read, the end from which the gradients come. */
  private firstLook(): void {
    const { width, height } = this.layout;
    const seen = Math.min(width, this.stage.clientWidth / LEAST_FIRST);
    this.canvas.fit({ x: width - seen, y: 0, width: seen, height }, false);
  }

  private shade(): "light" | "dark" {
    const { theme } = this.store.state;
    if (theme !== "auto") return theme;
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  private applyTheme(): void {
    this.root.dataset.theme = this.shade();
  }

  private recolour(): void {
    this.applyTheme();
    this.scales = makeScales(this.domain, this.shade());
    this.steps.redraw();
    this.restyle();
  }

  private flow(edge: VisibleEdge): Flow {
    const flow = this.metrics().flow(edge);
    const { mode } = this.store.state;
    const other = this.other();
    if (mode !== "difference" || !other) return flow;
    return { ...flow, gain: ratio(other.flow(edge).norm, flow.norm) };
  }

  private severityOf(item: Item): Mark {
    const marks = leavesOf(item).map((id) => this.worst.get(id) ?? null);
    return (["error", "warning", "note"] as const).find((severity) => marks.includes(severity)) ?? null;
  }

  private scene(): Scene {
    return {
      view: this.view, layout: this.layout, metrics: this.metrics(), scales: this.scales,
      flow: (edge) => this.flow(edge), severity: (item) => this.severityOf(item),
    };
  }

  private update(changed: ReadonlySet<keyof State>): void {
    this.tooltip.hide();
    const { expanded } = this.store.state;
    if (changed.has("expanded")) {
      this.view = makeView(this.ledger, this.tree, expanded);
      this.layout = this.layouter.arrange(this.tree.root, this.view);
    }
    if (changed.has("route") || changed.has("step") || changed.has("mode")) this.relight();
    if (changed.has("panel")) this.root.classList.toggle("no-panel", !this.store.state.panel);
    if (changed.has("theme")) return this.recolour();
    if (changed.has("expanded")) this.drawAll();
    else if (SCENE_KEYS.some((key) => changed.has(key))) this.restyle();
    else if (changed.has("selected") || changed.has("route")) this.panel.render(this.scales);
    this.accent();
    this.save();
  }

  private drawAll(): void {
    this.canvas.show(this.scene());
    this.accent();
    this.panel.render(this.scales);
  }

  private restyle(): void {
    this.canvas.restyle(this.scene());
    this.accent();
    this.panel.render(this.scales);
    this.renderFrame();
  }

  /** What changes with the step, the run and the theme, and not with what is open or selected. */
  private renderFrame(): void {
    this.profile.render(this.scales);
    this.steps.render();
    renderLegend(this.legend, this.scales, this.store.state.mode);
  }

  private relight(): void {
    const { route } = this.store.state;
    const node = route === null ? undefined : this.metrics().ledger.nodes[route];
    this.lit = node ? routeTo(node, this.metrics()) : null;
  }

  /** Selected, lit by a route, dimmed by a route or a filter, first to diverge. */
  private accent(): void {
    const { selected, filters } = this.store.state;
    const matching = filtering(filters) ? matchingNodes(filters, this.metrics()) : null;
    const thickest = new Set(this.lit?.thickest);
    const divergent = this.ledger.compare?.firstDivergence ?? null;
    this.canvas.setAccent((mark, target) => {
      const edge = "source" in target ? target : null;
      const item = edge ? null : (target as Item);
      const onRoute = !this.lit || (edge ? edge.edges.some((id) => this.lit!.edges.has(id)) : leavesOf(item!).some((id) => this.lit!.nodes.has(id)));
      const passes = !matching || (edge ? itemMatches(edge.source, matching) && itemMatches(edge.consumer, matching) : itemMatches(item!, matching));
      mark.classList.toggle("selected", selected === target.id);
      mark.classList.toggle("dim", !onRoute || !passes);
      mark.classList.toggle("lit", this.lit !== null && onRoute && edge !== null && edge.edges.some((id) => thickest.has(id)));
      mark.classList.toggle("divergent", divergent !== null && edge !== null && edge.edges.includes(divergent));
    });
  }

  private hover(target: Item | VisibleEdge | null, event: PointerEvent): void {
    if (!target || event.buttons) return this.tooltip.hide();
    const metrics = this.metrics();
    if (!("source" in target)) {
      if (isGroup(target) && this.view.expanded.has(target.id)) return this.tooltip.hide();
      const where = isGroup(target) ? target.path : (target.node.where ?? "");
      const name = isGroup(target) ? target.title : placeOf(target.node);
      const rows: [string, string][] = [["", name]];
      if (where && where !== name) rows.push(["at", where]);
      if (isGroup(target)) rows.push(["holds", groupSummary(target)]);
      else rows.push(["shape", target.detail], ["gradient norm", show(metrics.upstreamNorm(target.node))]);
      return this.tooltip.show(event, rows);
    }
    const flow = this.flow(target);
    const ends = [target.consumer, target.source].map((end) => (isGroup(end) ? end.title : placeOf(end.node)));
    const rows: [string, string][] = [["", ends.join(" → ")]];
    const state = edgeState(flow);
    if (state === "cut") rows.push(["cut", target.cut === null ? "no gradient passes" : this.ledger.cuts[target.cut]!.reason]);
    else rows.push(["norm", show(flow.norm)], [this.store.state.mode === "difference" ? "other ÷ this" : "gain", show(flow.gain)]);
    if (flow.share !== null) rows.push(["share", percent(flow.share)]);
    if (target.edges.length > 1) rows.push(["edges", String(target.edges.length)]);
    this.tooltip.show(event, rows);
  }

  /** A link given to the page that is already open: what was on its way to be saved is past. */
  private follow(link: string): void {
    clearTimeout(this.saveTimer);
    const saved = decodeView(link);
    if (!saved) return;
    this.store.set({ ...initialState(new Set()), ...saved.state });
    if (saved.transform) this.canvas.place(saved.transform);
  }

  private save(): void {
    if (!this.useHash) return;
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => history.replaceState(null, "", encodeView(this.store.state, this.canvas.transform)), 250);
  }
}
