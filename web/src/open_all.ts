// Opens and closes many groups at once.

import type { App } from "./app";
import { plural } from "./model/format";
import { isGroup, type Item } from "./model/items";
import { fullExpansion } from "./model/view";

export function selectedItem(app: App): Item | null {
  const { selected } = app.store.state;
  return selected === null ? null : (app.tree.items.get(selected) ?? null);
}

/** Opens everything in the selected group, as far as it can still be read, and says what stays closed. */
export function openAll(app: App): void {
  const item = selectedItem(app);
  const group = item && isGroup(item) ? item : app.tree.root;
  const { expanded, closed } = fullExpansion(group, app.store.state.expanded, (wider) => app.fitsWhole(group, wider));
  app.store.set({ expanded });
  if (item) app.go(item);
  else app.fitAll(true);
  const [them, one] = closed === 1 ? ["it", "it"] : ["them", "one"];
  if (closed) app.announce(`${plural(closed, "group")} stayed closed: there is no room to read ${them}. Select ${one} and press E.`);
}

export function closeAll(app: App): void {
  app.store.set({ expanded: new Set(), selected: null });
  app.fitAll(true);
}
