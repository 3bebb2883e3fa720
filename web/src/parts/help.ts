// The keys, on request.

import { h } from "../dom";
import type { Command } from "./keyboard";

const NAMES: Record<string, string> = {
  " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "esc", Backspace: "⌫", Enter: "⏎",
};

export class Help {
  readonly element: HTMLElement;

  constructor(commands: Command[]) {
    const rows = commands.map((command) => h("div", { class: "row" },
      h("span", {}, ...command.keys.map((key) => h("kbd", {}, NAMES[key] ?? key))), h("span", {}, command.help)));
    this.element = h("div", { class: "help", hidden: true, role: "dialog", "aria-label": "keys" },
      h("div", { class: "card" }, h("h3", {}, "Keys"), ...rows,
        h("p", { class: "note" }, "Double-click opens and closes a group. Drag to pan, scroll to zoom.")));
    this.element.addEventListener("click", () => this.toggle());
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
  }

  close(): void {
    this.element.hidden = true;
  }
}
