// A button with a card that opens under it and closes on a click elsewhere, or on Escape (commands.ts).

import { h, icon, type IconName } from "../dom";

export class Popover {
  readonly button: HTMLButtonElement;
  readonly card = h("div", { class: "popover", hidden: true });
  readonly element: HTMLElement;

  constructor(name: IconName, title: string, private readonly fill: (card: HTMLElement) => void) {
    this.button = h("button", { class: "tool", title, "aria-label": title, "aria-haspopup": "true", onclick: () => this.toggle() }, icon(name));
    this.element = h("div", { class: "popover-host" }, this.button, this.card);
    document.addEventListener("pointerdown", (event) => {
      if (this.open && !event.composedPath().includes(this.element)) this.close();
    });
  }

  get open(): boolean {
    return !this.card.hidden;
  }

  toggle(): void {
    if (this.open) return this.close();
    this.card.replaceChildren();
    this.fill(this.card);
    this.card.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
  }

  close(): void {
    this.card.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }
}
