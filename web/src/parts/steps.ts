// The slider over recorded training steps: the loss curve is the track. Scales are those of all
// steps together, so that a change on the screen is a change in the gradient.

import uPlot from "uplot";
import type { Context } from "../context";
import { h, icon } from "../dom";
import { show } from "../model/format";

const TICK_MS = 180;

export class Steps {
  readonly element = h("div", { class: "steps" });
  private readonly slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "recorded step" });
  private readonly play = h("button", { class: "tool", title: "Play (Space)", "aria-label": "play" }, icon("play"));
  private readonly now = h("output", { class: "now" });
  private readonly chart = h("div", { class: "loss-chart" });
  private readonly final = h("button", { class: "action", title: "Back to the ledger's own sweep" }, "ledger");
  private plot: uPlot | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor(private readonly context: Context) {
    const { steps } = context.ledger;
    this.element.hidden = steps.length < 2;
    if (this.element.hidden) return;
    this.slider.max = String(steps.length - 1);
    this.slider.addEventListener("input", () => context.store.set({ step: Number(this.slider.value) }));
    this.play.addEventListener("click", () => this.toggle());
    this.final.addEventListener("click", () => context.store.set({ step: null }));
    this.element.append(this.play, h("div", { class: "track" }, this.chart, this.slider), this.now, this.final);
    new ResizeObserver(() => this.draw()).observe(this.chart);
  }

  toggle(): void {
    if (this.element.hidden) return;
    if (this.timer) return this.stop();
    this.play.replaceChildren(icon("pause"));
    this.timer = setInterval(() => {
      const next = this.move(1);
      if (!next) this.stop();
    }, TICK_MS);
    if (this.context.store.state.step === this.context.ledger.steps.length - 1) this.context.store.set({ step: 0 });
  }

  private stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.play.replaceChildren(icon("play"));
  }

  /** Moves by so many recorded steps; false at the ends. */
  move(by: number): boolean {
    const most = this.context.ledger.steps.length - 1;
    if (most < 1) return false;
    const { step } = this.context.store.state;
    const next = step === null ? (by > 0 ? 0 : most) : step + by;
    if (next < 0 || next > most) return false;
    this.context.store.set({ step: next });
    return true;
  }

  render(): void {
    if (this.element.hidden) return;
    const { steps, stepsRecorded } = this.context.ledger;
    const { step } = this.context.store.state;
    const at = step === null ? steps.length - 1 : Math.min(step, steps.length - 1);
    this.slider.value = String(at);
    this.element.classList.toggle("idle", step === null);
    this.final.classList.toggle("on", step === null);
    const metrics = this.context.metrics();
    const shown = stepsRecorded > steps.length ? ` (${steps.length} of ${stepsRecorded} shown)` : "";
    this.now.replaceChildren(
      h("b", {}, step === null ? "ledger" : `step ${steps[at]!.step}`),
      h("span", {}, `loss ${show(metrics.loss())}${shown}`),
    );
    this.slider.setAttribute("aria-valuetext", step === null ? "the ledger" : `step ${steps[at]!.step}`);
  }

  private draw(): void {
    const { steps } = this.context.ledger;
    const width = this.chart.clientWidth;
    if (!width) return;
    this.plot?.destroy();
    const style = getComputedStyle(this.context.root);
    const stroke = style.getPropertyValue("--ink-3").trim();
    const losses = steps.map((item) => (item.loss !== null && Number.isFinite(item.loss) ? item.loss : null));
    this.plot = new uPlot(
      {
        width, height: 34, legend: { show: false }, cursor: { show: false }, padding: [3, 8, 3, 8],
        scales: { x: { time: false } }, axes: [{ show: false }, { show: false }],
        series: [{}, { stroke, width: 1.5, points: { show: false } }],
      },
      // The slider's stops are evenly spaced, so the curve is drawn over their index.
      [steps.map((_, index) => index), losses],
      this.chart,
    );
  }

  redraw(): void {
    if (!this.element.hidden) this.draw();
  }
}
