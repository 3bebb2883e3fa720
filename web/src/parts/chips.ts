// The verdict strip: at most five findings, most severe first; a click goes to the node.

import type { Context } from "../context";
import { h } from "../dom";
import { plural, shortenLeft, show } from "../model/format";
import type { Finding } from "../model/ledger";
import { placeOf } from "../model/place";

const MOST = 5;

export function goFinding(finding: Finding, context: Context): void {
  if (finding.node !== null) return context.goNode(finding.node);
  const module = finding.module ? context.tree.items.get(`m:${finding.module}`) : undefined;
  if (module) context.go(module);
  else context.store.set({ selected: null, panel: true });
}

function chip(finding: Finding, index: number, context: Context): HTMLElement {
  const node = finding.node === null ? null : context.ledger.nodes[finding.node];
  const place = node ? placeOf(node) : finding.module;
  return h("button", {
    class: `chip ${finding.severity}`, "data-chip": index, title: `${finding.message}\n(${index + 1})`,
    onclick: () => goFinding(finding, context),
  },
    h("span", { class: "dot" }),
    h("span", { class: "kind" }, finding.kind),
    place ? h("span", { class: "place" }, shortenLeft(place, 24)) : null,
    finding.where ? h("code", {}, shortenLeft(finding.where, 24)) : null,
  );
}

export function chips(context: Context): HTMLElement {
  const { findings, nodes } = context.ledger;
  const strip = h("nav", { class: "chips", "aria-label": "verdict" });
  if (!findings.length) {
    const worst = Math.max(0, ...nodes.map((node) => node.balance ?? 0));
    strip.append(h("span", { class: "chip healthy" },
      h("span", { class: "dot" }), h("span", { class: "kind" }, "healthy"),
      h("span", { class: "place" }, `${plural(nodes.length, "node")} in balance within ${show(worst, 2)}`)));
    return strip;
  }
  strip.append(...findings.slice(0, MOST).map((finding, index) => chip(finding, index, context)));
  if (findings.length > MOST) {
    strip.append(h("button", { class: "more", onclick: () => context.store.set({ selected: null, panel: true }) }, `and ${findings.length - MOST} more`));
  }
  return strip;
}
