// The one state of the view, and who wants to hear when it changes.

export type Theme = "auto" | "light" | "dark";
export type RunMode = "here" | "other" | "difference";

export interface Filters {
  kinds: ReadonlySet<string>;
  /** Only marks whose log10 gain lies at or beyond this distance from 0; 0 lets all pass. */
  gain: number;
}

export interface State {
  expanded: ReadonlySet<string>;
  /** Id of the selected item, or of a visible edge ("a>b"). */
  selected: string | null;
  /** Id of the node whose route from the loss is lit. */
  route: number | null;
  /** Index into the recorded steps; null is the end, the ledger's own sweep. */
  step: number | null;
  mode: RunMode;
  theme: Theme;
  filters: Filters;
  panel: boolean;
}

export const NO_FILTERS: Filters = { kinds: new Set(), gain: 0 };

export function initialState(expanded: ReadonlySet<string>): State {
  return {
    expanded, selected: null, route: null, step: null, mode: "here", theme: "auto",
    filters: NO_FILTERS, panel: true,
  };
}

type Listener = (state: State, changed: ReadonlySet<keyof State>) => void;

export class Store {
  private listeners: Listener[] = [];

  constructor(public state: State) {}

  subscribe(listener: Listener): void {
    this.listeners.push(listener);
  }

  set(patch: Partial<State>): void {
    const changed = new Set<keyof State>();
    for (const key of Object.keys(patch) as (keyof State)[]) {
      if (patch[key] !== this.state[key]) changed.add(key);
    }
    if (!changed.size) return;
    this.state = { ...this.state, ...patch };
    for (const listener of this.listeners) listener(this.state, changed);
  }
}
