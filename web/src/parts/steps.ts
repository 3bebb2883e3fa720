// The slider over recorded training steps: the loss curve is the track, and its last stop, the end,
// is the sweep that this ledger tells everything of. Scales are those of all steps together, so that
// a change on the screen is a change in the gradient.

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
  private readonly final = h("button", { class: "action", title: "The sweep that this ledger tells everything of" }, "end");
  private plot: uPlot | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor(private readonly context: Context) {
    const { steps } = context.ledger;
    this.element.hidden = steps.length < 2;
    if (this.element.hidden) return;
    this.slider.max = String(steps.length);
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
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
    if (this.context.store.state.step === null) this.go(0);
  }

  private stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.play.replaceChildren(icon("play"));
  }

  /** Moves by so many stops; false beyond the first and the last. */
  move(by: number): boolean {
    const last = this.context.ledger.steps.length;
    const next = (this.context.store.state.step ?? last) + by;
    if (this.element.hidden || next < 0 || next > last) return false;
    this.go(next);
    return true;
  }

  private go(stop: number): void {
    this.context.store.set({ step: stop < this.context.ledger.steps.length ? stop : null });
  }

  render(): void {
    if (this.element.hidden) return;
    const { steps, stepsRecorded } = this.context.ledger;
    const { step } = this.context.store.state;
    const at = step !== null && step < steps.length ? steps[step]! : null;
    const name = at ? `step ${at.step}` : "end";
    this.slider.value = String(at ? step : steps.length);
    this.final.classList.toggle("here", !at);
    const metrics = this.context.metrics();
    const shown = stepsRecorded > steps.length ? ` (${steps.length} of ${stepsRecorded} shown)` : "";
    this.now.replaceChildren(
      h("b", {}, name),
      h("span", {}, `loss ${show(metrics.loss())}${shown}`),
    );
    this.slider.setAttribute("aria-valuetext", name);
  }

  private draw(): void {
    const { steps } = this.context.ledger;
    const width = this.chart.clientWidth;
    if (!width) return;
    this.plot?.destroy();
    const style = getComputedStyle(this.context.root);
    const stroke = style.getPropertyValue("--ink-3").trim();
    const losses = [...steps.map((item) => (item.loss !== null && Number.isFinite(item.loss) ? item.loss : null)), null];
    this.plot = new uPlot(
      {
        width, height: 34, legend: { show: false }, cursor: { show: false }, padding: [3, 8, 3, 8],
        scales: { x: { time: false } }, axes: [{ show: false }, { show: false }],
        series: [{}, { stroke, width: 1.5, points: { show: false } }],
      },
      // The slider's stops are evenly spaced, so the curve is drawn over their index.
      [losses.map((_, index) => index), losses],
      this.chart,
    );
  }

  redraw(): void {
    if (!this.element.hidden) this.draw();
  }
}
