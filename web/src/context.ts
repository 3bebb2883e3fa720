// What every part of the page may ask for: the ledger, the tree, the numbers of the chosen run and
// step, and the few moves (select, go to, toggle) that parts start.

import type { Item } from "./model/items";
import type { Ledger } from "./model/ledger";
import type { Metrics } from "./model/metrics";
import type { Tree } from "./model/tree";
import type { VisibleEdge } from "./model/view";
import type { Store } from "./state";

export interface Context {
  root: HTMLElement;
  ledger: Ledger;
  tree: Tree;
  store: Store;
  /** The numbers to draw: this run's or the other's, at the chosen step. */
  metrics(): Metrics;
  /** The other run's numbers on this layout, where two runs are compared. */
  other(): Metrics | null;
  visibleEdge(id: string): VisibleEdge | null;
  /** Opens what hides an item, selects it and brings it into the window. */
  go(item: Item): void;
  goNode(id: number): void;
  goEdge(id: number): void;
  announce(message: string): void;
}
