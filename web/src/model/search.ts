// Search by parameter or module name, by operation, or by file:line.

import { isGroup, type Item } from "./items";
import type { Tree } from "./tree";

export interface Hit {
  item: Item;
  title: string;
  where: string;
  rank: number;
}

interface Entry {
  item: Item;
  title: string;
  where: string;
  fields: string[];
}

export class Index {
  private readonly entries: Entry[] = [];

  constructor(tree: Tree) {
    for (const item of tree.items.values()) {
      if (isGroup(item)) {
        if (item.kind === "root" || item.kind === "chunk") continue;
        const name = item.kind === "module" ? item.path : item.title;
        this.entries.push({ item, title: name, where: item.detail, fields: [name, item.detail].map(lower) });
      } else {
        const { node } = item;
        const name = node.kind === "parameter" ? node.label || node.op : node.label;
        const title = node.kind === "op" ? `${item.title}${node.module ? `  ${node.module}` : ""}` : name || node.op;
        const full = node.file && node.line !== null ? `${node.file}:${node.line}` : "";
        const fields = [name, node.op, node.where ?? "", node.module, full, ...node.names].map(lower);
        this.entries.push({ item, title, where: node.where ?? "", fields });
      }
    }
  }

  find(query: string, most = 12): { hits: Hit[]; total: number } {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return { hits: [], total: 0 };
    const hits: Hit[] = [];
    for (const entry of this.entries) {
      let rank = 0;
      for (const word of words) {
        const best = Math.min(...entry.fields.map((field) => quality(field, word)));
        rank += best;
        if (!Number.isFinite(rank)) break;
      }
      if (Number.isFinite(rank)) hits.push({ item: entry.item, title: entry.title, where: entry.where, rank });
    }
    hits.sort((a, b) => a.rank - b.rank || a.item.order - b.item.order);
    return { hits: hits.slice(0, most), total: hits.length };
  }
}

function lower(text: string): string {
  return text.toLowerCase();
}

/** 0 the whole field, 1 its beginning or the beginning of a part, 2 anywhere, ∞ not at all. */
function quality(field: string, word: string): number {
  const at = field.indexOf(word);
  if (at < 0) return Infinity;
  if (field === word) return 0;
  return at === 0 || ".:/_".includes(field[at - 1]!) ? 1 : 2;
}
