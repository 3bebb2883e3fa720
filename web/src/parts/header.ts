// The top line: what this is, search, and the tools.

import type { App } from "../app";
import { h, icon } from "../dom";
import { encodeView } from "../hash";
import { show } from "../model/format";
import type { RunMode, Theme } from "../state";
import { closeAll, openAll } from "../open_all";
import { copyPicture, copyText } from "./clipboard";
import type { Popover } from "./popover";
import { pictureOf } from "./picture";
import type { SearchBox } from "./search_box";

const NEXT_THEME: Record<"light" | "dark", Theme> = { light: "dark", dark: "light" };

export function nextTheme(app: App): void {
  app.store.set({ theme: NEXT_THEME[app.root.dataset.theme === "dark" ? "dark" : "light"] });
}

export async function copyImage(app: App): Promise<void> {
  const ground = getComputedStyle(app.root).getPropertyValue("--ground").trim();
  app.announce(await copyPicture(pictureOf(app.canvas.svg, ground), "ledger.png"));
}

export async function copyLink(app: App): Promise<void> {
  history.replaceState(null, "", encodeView(app.store.state, app.canvas.transform));
  app.announce((await copyText(location.href)) ? "Link copied" : "The address bar holds the link");
}

function runSwitch(app: App): HTMLElement | null {
  if (!app.ledger.compare) return null;
  const [here, there] = [app.ledger.title, app.ledger.compare.other.title];
  const told = here !== there;
  const modes: [RunMode, string][] = [["here", (told && here) || "this run"], ["other", (told && there) || "other run"], ["difference", "difference"]];
  const buttons = modes.map(([mode, label]) => h("button", { "data-run": mode, title: mode === "difference" ? "Colour by other ÷ this (D)" : label, onclick: () => app.store.set({ mode }) }, label));
  const mark = (): void => buttons.forEach((button) => button.classList.toggle("on", button.dataset.run === app.store.state.mode));
  app.store.subscribe(mark);
  mark();
  const { firstDivergence } = app.ledger.compare;
  const part = firstDivergence === null ? null
    : h("button", { class: "action", "data-action": "divergence", title: "Go to the first edge where the runs part", onclick: () => app.goEdge(firstDivergence) }, "first divergence");
  return h("div", { class: "runs" }, h("div", { class: "switch", role: "group", "aria-label": "run" }, ...buttons), part);
}

export function header(app: App, search: SearchBox, filters: Popover, help: () => void, linkable: boolean): HTMLElement {
  const { ledger } = app;
  const tool = (name: Parameters<typeof icon>[0], title: string, action: string, run: () => void): HTMLElement =>
    h("button", { class: "tool", title, "aria-label": title, "data-action": action, onclick: run }, icon(name));
  return h("header", { class: "top" },
    h("div", { class: "brand" },
      h("span", { class: "word" }, "localgrad"),
      h("span", { class: "title" }, ledger.title || "gradient ledger"),
      ledger.loss === null ? null : h("span", { class: "loss" }, "loss ", h("b", {}, show(ledger.loss, 4))),
    ),
    runSwitch(app),
    h("div", { class: "tools" },
      search.element, filters.element,
      tool("open", "Open all (E)", "open", () => openAll(app)),
      tool("shut", "Close all (C)", "close", () => closeAll(app)),
      tool("fit", "Show everything (0)", "fit", () => app.fitAll(true)),
      tool("image", "Copy as PNG (P)", "png", () => void copyImage(app)),
      linkable ? tool("link", "Copy a link to this view (L)", "link", () => void copyLink(app)) : null,
      tool("sun", "Light or dark (T)", "theme", () => nextTheme(app)),
      tool("panel", "Side panel (S)", "panel", () => app.store.set({ panel: !app.store.state.panel })),
      tool("help", "Keys (?)", "help", help),
    ),
  );
}
