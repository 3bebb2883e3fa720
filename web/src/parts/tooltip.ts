// The small card beside the pointer.

import { clear, h } from "../dom";

export class Tooltip {
  readonly element = h("div", { class: "tooltip", role: "tooltip", hidden: true });

  constructor(private readonly root: HTMLElement) {}

  /** Rows of name and value; a row without a name is the title. */
  show(event: PointerEvent, rows: [string, string][]): void {
    clear(this.element);
    for (const [name, value] of rows) {
      this.element.append(name
        ? h("div", { class: "row" }, h("span", {}, name), h("b", {}, value))
        : h("div", { class: "head" }, value));
    }
    this.element.hidden = false;
    const frame = this.root.getBoundingClientRect();
    const size = this.element.getBoundingClientRect();
    const left = Math.min(event.clientX - frame.left + 14, frame.width - size.width - 8);
    const below = event.clientY - frame.top + 16;
    const top = below + size.height > frame.height - 8 ? event.clientY - frame.top - size.height - 12 : below;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide(): void {
    this.element.hidden = true;
  }
}
