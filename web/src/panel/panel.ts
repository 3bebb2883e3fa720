// The side panel: the sheet of what is selected, and the few things to do with it.

import type { Context } from "../context";
import type { Scales } from "../draw/scales";
import { clear, h, icon } from "../dom";
import { copyText } from "../parts/clipboard";
import { toMarkdown } from "./markdown";
import { renderSection } from "./render";
import type { Sheet } from "./sections";
import { sheetFor } from "./sheets";

export class Panel {
  readonly element = h("aside", { class: "panel", "aria-label": "details" });
  private sheet: Sheet | null = null;
  private shown: string | null | undefined = undefined;

  constructor(private readonly context: Context) {}

  render(scales: Scales): void {
    const { selected, route } = this.context.store.state;
    const sheet = sheetFor(selected, this.context);
    this.sheet = sheet;
    const before = this.element.scrollTop;
    const same = this.shown === selected;
    this.shown = selected;
    clear(this.element);
    const lit = sheet.route !== null && route === sheet.route;
    this.element.append(
      h("header", {},
        h("div", { class: "kicker" }, sheet.kicker),
        h("h2", {}, sheet.title),
        sheet.subtitle ? h("p", { class: "subtitle" }, sheet.subtitle) : null,
        sheet.tags.length ? h("p", { class: "tags" }, ...sheet.tags.map((tag) => h("span", {}, tag))) : null,
        sheet.where ? h("p", { class: "where" }, h("code", {}, sheet.where)) : null,
        h("div", { class: "actions" },
          sheet.route === null ? null : h("button", {
            class: lit ? "action on" : "action", "data-action": "route", "aria-pressed": lit,
            title: "Light the route from the loss (R)",
            onclick: () => this.context.store.set({ route: lit ? null : sheet.route }),
          }, icon("route"), "Route"),
          h("button", { class: "action", "data-action": "markdown", title: "Copy this panel as Markdown (M)", onclick: () => void this.copy() }, icon("text"), "Markdown"),
          selected === null ? null : h("button", { class: "action plain", title: "Close (Esc)", "aria-label": "close", onclick: () => this.context.store.set({ selected: null }) }, icon("close")),
        ),
      ),
      ...sheet.sections.map((part) => renderSection(part, this.context, scales)),
    );
    // A new sheet begins at its top. Setting costs a layout, so only where there is something to set.
    if (before) this.element.scrollTop = same ? before : 0;
  }

  markdown(): string {
    return toMarkdown(this.sheet ?? sheetFor(null, this.context));
  }

  async copy(): Promise<void> {
    const done = await copyText(this.markdown());
    this.context.announce(done ? "Copied as Markdown" : "The browser refused the clipboard");
  }
}
