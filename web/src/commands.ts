// What each key does.

import type { App } from "./app";
import { isGroup, leavesOf } from "./model/items";
import { neighbour, type Direction } from "./model/walk";
import { closeAll, openAll, selectedItem } from "./open_all";
import { copyImage, copyLink, nextTheme } from "./parts/header";
import type { Command } from "./parts/keyboard";

export interface Pieces {
  search: () => void;
  filter: () => void;
  help: () => void;
  dismiss: () => boolean;
}

function walk(app: App, key: string): void {
  const next = neighbour(selectedItem(app), key as Direction, app.view, app.layout);
  if (next) app.go(next);
}

function openOrClose(app: App): void {
  const item = selectedItem(app);
  if (item && isGroup(item)) app.toggle(item);
}

/** Closes the group around the selection, which becomes the selection. */
function closeAround(app: App): void {
  const item = selectedItem(app);
  if (!item) return;
  const open = app.store.state.expanded;
  const group = isGroup(item) && open.has(item.id) ? item : item.parent;
  if (!group || group.kind === "root") return;
  app.store.set({ selected: group.id });
  if (open.has(group.id)) app.toggle(group);
}

function toggleRoute(app: App): void {
  const { selected, route } = app.store.state;
  const item = selectedItem(app);
  const node = item && !isGroup(item) ? item.node.id : item ? leavesOf(item).find((id) => app.ledger.nodes[id]!.kind === "parameter") : undefined;
  const edge = selected === null ? null : app.visibleEdge(selected);
  const target = node ?? (edge ? app.ledger.edges[edge.edges[0] ?? -1]?.source : undefined);
  app.store.set({ route: route !== null || target === undefined ? null : target });
}

function nextMode(app: App): void {
  if (!app.ledger.compare) return;
  const modes = ["here", "other", "difference"] as const;
  app.store.set({ mode: modes[(modes.indexOf(app.store.state.mode) + 1) % modes.length]! });
}

export function commands(app: App, pieces: Pieces): Command[] {
  return [
    { keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], help: "walk: left to the inputs, right to the loss", run: (key) => walk(app, key) },
    { keys: ["Enter"], help: "open or close the selected group", run: () => openOrClose(app) },
    { keys: ["Backspace"], help: "close the group around", run: () => closeAround(app) },
    { keys: ["1", "2", "3", "4", "5"], help: "go to a finding", run: (key) => app.verdict.go(Number(key) - 1) },
    { keys: ["/"], help: "search by name, op or file:line", run: pieces.search },
    { keys: ["f"], help: "filter", run: pieces.filter },
    { keys: ["r"], help: "light the route from the loss", run: () => toggleRoute(app) },
    { keys: ["[", "]"], help: "a recorded step back, one on", run: (key) => void app.steps.move(key === "[" ? -1 : 1) },
    { keys: [" "], help: "play the recorded steps", run: () => app.steps.toggle() },
    { keys: ["d"], help: "this run, the other, the difference", run: () => nextMode(app) },
    { keys: ["e"], help: "open all, or all that is selected", run: () => openAll(app) },
    { keys: ["c"], help: "close all", run: () => closeAll(app) },
    { keys: ["0"], help: "show everything", run: () => app.fitAll(true) },
    { keys: ["+", "=", "-"], help: "zoom", run: (key) => app.canvas.zoomBy(key === "-" ? 1 / 1.4 : 1.4) },
    { keys: ["m"], help: "copy the panel as Markdown", run: () => void app.panel.copy() },
    { keys: ["p"], help: "copy the graph as PNG", run: () => void copyImage(app) },
    { keys: ["l"], help: "copy a link to this view", run: () => void copyLink(app) },
    { keys: ["t"], help: "light or dark", run: () => nextTheme(app) },
    { keys: ["s"], help: "side panel", run: () => app.store.set({ panel: !app.store.state.panel }) },
    { keys: ["?"], help: "these keys", run: pieces.help },
    { keys: ["Escape"], help: "let go", run: () => {
      if (!pieces.dismiss()) app.store.set({ selected: null, route: null });
    } },
  ];
}
