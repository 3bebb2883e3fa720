// The address bar restores the view: what is open, selected and lit, the step, and where the
// window stands.

import type { RunMode, State, Theme } from "./state";

export interface SavedView {
  state: Partial<State>;
  transform: [number, number, number] | null;
}


const SEPARATOR = "~";

export function encodeView(state: State, transform: { x: number; y: number; k: number }): string {
  const params = new URLSearchParams();
  params.set("open", [...state.expanded].join(SEPARATOR));
  if (state.selected) params.set("at", state.selected);
  if (state.route !== null) params.set("route", String(state.route));
  if (state.step !== null) params.set("step", String(state.step));
  if (state.mode !== "here") params.set("run", state.mode);
  if (state.theme !== "auto") params.set("theme", state.theme);
  if (state.filters.kinds.size) params.set("only", [...state.filters.kinds].join(SEPARATOR));
  if (state.filters.gain) params.set("gain", String(state.filters.gain));
  if (!state.panel) params.set("panel", "0");
  params.set("view", [transform.x.toFixed(0), transform.y.toFixed(0), transform.k.toFixed(3)].join(SEPARATOR));
  return `#${params.toString()}`;
}

function whole(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

export function decodeView(hash: string): SavedView | null {
  if (hash.length < 2) return null;
  const params = new URLSearchParams(hash.slice(1));
  const open = params.get("open");
  if (open === null) return null;
  const run = params.get("run");
  const theme = params.get("theme");
  const numbers = (params.get("view") ?? "").split(SEPARATOR).map(Number);
  const sound = numbers.length === 3 && numbers.every(Number.isFinite) && numbers[2]! > 0;
  return {
    state: {
      expanded: new Set(open.split(SEPARATOR).filter(Boolean)),
      selected: params.get("at"),
      route: whole(params.get("route")),
      step: whole(params.get("step")),
      mode: (run === "other" || run === "difference" ? run : "here") as RunMode,
      theme: (theme === "light" || theme === "dark" ? theme : "auto") as Theme,
      filters: {
        kinds: new Set((params.get("only") ?? "").split(SEPARATOR).filter(Boolean)),
        gain: Number(params.get("gain")) || 0,
      },
      panel: params.get("panel") !== "0",
    },
    transform: sound ? (numbers as [number, number, number]) : null,
  };
}
