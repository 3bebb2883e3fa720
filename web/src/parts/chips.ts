// The verdict strip: at most five chips, one a kind of finding, most severe first. A click goes to
// the finding's node; where there are several of the kind, the next click goes to the next one.

import type { Context } from "../context";
import { h } from "../dom";
import { plural, shortenLeft, show } from "../model/format";
import type { Finding } from "../model/ledger";
import { imbalance } from "../model/metrics";
import { placeOf } from "../model/place";

const MOST = 5;

export class Verdict {
  readonly element = h("nav", { class: "chips", "aria-label": "verdict" });
  private readonly kinds: Finding[][];
  private readonly next: number[];

  constructor(private readonly context: Context) {
    const kinds = new Map<string, Finding[]>();
    for (const finding of context.ledger.findings) {
      kinds.set(finding.kind, [...(kinds.get(finding.kind) ?? []), finding]);
    }
    this.kinds = [...kinds.values()];
    this.next = this.kinds.map(() => 0);
    this.element.append(...(this.kinds.length ? this.found() : [this.healthy()]));
  }

  /** Goes to the next finding of a chip. */
  go(chip: number): void {
    const some = this.kinds[chip];
    if (!some || chip >= MOST) return;
    this.show(some[this.next[chip]!]!);
    this.next[chip] = (this.next[chip]! + 1) % some.length;
  }

  private show(finding: Finding): void {
    if (finding.node !== null) return this.context.goNode(finding.node);
    const module = finding.module ? this.context.tree.items.get(`m:${finding.module}`) : undefined;
    if (module) this.context.go(module);
    else this.overview();
  }

  private overview(): void {
    this.context.store.set({ selected: null, panel: true });
  }

  private found(): HTMLElement[] {
    const rest = this.kinds.slice(MOST).flat().length;
    const more = h("button", { class: "more", onclick: () => this.overview() }, `and ${rest} more`);
    return [...this.kinds.slice(0, MOST).map((some, index) => this.chip(some, index)), ...(rest ? [more] : [])];
  }

  private chip(some: Finding[], index: number): HTMLElement {
    const first = some[0]!;
    const node = first.node === null ? null : this.context.ledger.nodes[first.node];
    const place = node ? placeOf(node) : first.module;
    return h("button", {
      class: `chip ${first.severity}`, "data-chip": index, title: `${some.map((finding) => finding.message).join("\n")}\n(${index + 1})`,
      onclick: () => this.go(index),
    },
      h("span", { class: "dot" }),
      h("span", { class: "kind" }, first.kind),
      some.length > 1 ? h("span", { class: "times" }, `×${some.length}`) : null,
      place ? h("span", { class: "place" }, shortenLeft(place, 24)) : null,
      first.where ? h("code", {}, shortenLeft(first.where, 24)) : null,
    );
  }

  private healthy(): HTMLElement {
    const { nodes, edges, loss } = this.context.ledger;
    if (loss === null && !edges.length) {
      return h("span", { class: "chip warning" },
        h("span", { class: "dot" }), h("span", { class: "kind" }, "no backward pass"),
        h("span", { class: "place" }, "was recorded"));
    }
    const worst = imbalance(nodes);
    const sums = worst ? `every sum balances within ${show(worst, 2)}` : "every sum balances";
    return h("span", { class: "chip healthy" },
      h("span", { class: "dot" }), h("span", { class: "kind" }, "healthy"),
      h("span", { class: "place" }, `nothing found in ${plural(nodes.length, "node")}; ${sums}`));
  }
}
