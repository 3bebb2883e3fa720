// The search field: results as one types, arrows to choose, Enter to go there.

import type { Context } from "../context";
import { clear, h, icon } from "../dom";
import { plural } from "../model/format";
import { isGroup } from "../model/items";
import { Index, type Hit } from "../model/search";

export class SearchBox {
  readonly input = h("input", {
    type: "search", placeholder: "name, op or file:line", "aria-label": "search", autocomplete: "off", spellcheck: "false",
    role: "combobox", "aria-expanded": "false",
  });
  private readonly list = h("div", { class: "results", role: "listbox", hidden: true });
  readonly element = h("div", { class: "search" }, icon("search"), this.input, h("kbd", {}, "/"), this.list);
  private readonly index: Index;
  private hits: Hit[] = [];
  private chosen = 0;

  constructor(private readonly context: Context) {
    this.index = new Index(context.tree);
    this.input.addEventListener("input", () => this.search());
    this.input.addEventListener("focus", () => this.search());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  focus(): void {
    this.input.focus();
    this.input.select();
  }

  private key(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.chosen = Math.max(0, Math.min(this.hits.length - 1, this.chosen + by));
      this.mark();
      event.preventDefault();
    } else if (event.key === "Enter") {
      const hit = this.hits[this.chosen];
      if (hit) this.take(hit);
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.close();
      this.input.blur();
    }
  }

  private take(hit: Hit): void {
    this.context.go(hit.item);
    this.close();
    this.input.blur();
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  private search(): void {
    const query = this.input.value.trim();
    const { hits, total } = this.index.find(query);
    this.hits = hits;
    this.chosen = 0;
    clear(this.list);
    if (!query) return this.close();
    this.list.append(...hits.map((hit) => this.row(hit)));
    if (!hits.length) this.list.append(h("div", { class: "nothing" }, "Nothing of that name"));
    else if (total > hits.length) this.list.append(h("div", { class: "nothing" }, `${plural(total, "match").replace("matchs", "matches")}; keep typing`));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark();
  }

  private row(hit: Hit): HTMLElement {
    const kind = isGroup(hit.item) ? hit.item.kind : hit.item.node.kind;
    return h("button", { class: "result", role: "option", onmousedown: (event: Event) => { event.preventDefault(); this.take(hit); } },
      h("span", { class: `mark ${kind}` }), h("span", { class: "name" }, hit.title), h("span", { class: "where" }, hit.where));
  }

  private mark(): void {
    this.list.querySelectorAll(".result").forEach((row, index) => {
      row.classList.toggle("chosen", index === this.chosen);
      row.setAttribute("aria-selected", String(index === this.chosen));
    });
  }
}
