// The filter card.

import type { Context } from "../context";
import { h } from "../dom";
import { plural } from "../model/format";
import { active, FILTERS, matchingNodes } from "../model/filter";
import { NO_FILTERS } from "../state";
import { Popover } from "./popover";

export function filterMenu(context: Context): Popover {
  const popover = new Popover("filter", "Filter (F)", (card) => {
    const { filters } = context.store.state;
    const left = h("p", { class: "note" });
    const tell = (): void => {
      const now = context.store.state.filters;
      left.textContent = active(now) ? `${plural(matchingNodes(now, context.metrics()).size, "node")} stay lit` : "Everything is lit.";
      popover.button.classList.toggle("on", active(now));
    };
    const box = (id: string, label: string): HTMLElement => {
      const input = h("input", { type: "checkbox", checked: filters.kinds.has(id), "data-filter": id });
      input.addEventListener("change", () => {
        const kinds = new Set(context.store.state.filters.kinds);
        if (input.checked) kinds.add(id);
        else kinds.delete(id);
        context.store.set({ filters: { ...context.store.state.filters, kinds } });
        tell();
      });
      return h("label", {}, input, label);
    };
    const gain = h("input", { type: "range", min: 0, max: 3, step: 0.25, value: filters.gain, "aria-label": "least gain" });
    const gainText = h("span", { class: "muted" });
    const tellGain = (): void => {
      const factor = 10 ** Number(gain.value);
      gainText.textContent = Number(gain.value) ? `beyond ×${factor.toPrecision(2)} or ÷${factor.toPrecision(2)}` : "any";
    };
    gain.addEventListener("input", () => {
      context.store.set({ filters: { ...context.store.state.filters, gain: Number(gain.value) } });
      tellGain();
      tell();
    });
    tellGain();
    tell();
    card.append(
      h("h4", {}, "Keep lit only nodes"), ...FILTERS.map(({ id, label }) => box(id, label)),
      h("div", { class: "slider-row" }, h("span", {}, "gain"), gain, gainText), left,
      h("button", { class: "action", onclick: () => { context.store.set({ filters: NO_FILTERS }); popover.close(); popover.button.classList.remove("on"); } }, "Clear"),
    );
  });
  return popover;
}
