// What the side panel says, as data: the same sections become elements on the page and Markdown on
// the clipboard.

import type { Formula } from "../model/ledger";

export type Tone = "value" | "gradient" | "muted" | "strong" | "against" | "error" | "warning" | "note";

export interface Cell {
  text: string;
  tone?: Tone;
  /** A signed part of 1, drawn as a bar behind the text. */
  share?: number | null;
  /** A gain, drawn as a dot in its colour. */
  gain?: number | null;
  /** Item to go to on click. */
  go?: string;
  /** Node to go to on click. */
  node?: number;
  title?: string;
}

export type CellLike = Cell | string;

/** A rule with its numbers: a line for every argument. */
export interface Worked {
  title: string;
  lines: string[];
}

export type Section =
  | { kind: "table"; heading?: string; columns: string[]; rows: CellLike[][]; footer?: CellLike[]; note?: string }
  | { kind: "facts"; heading?: string; facts: [string, CellLike][] }
  | { kind: "formula"; heading?: string; rules: Formula[]; local: Worked[] }
  | { kind: "histogram"; heading: string; tone: "value" | "gradient"; heights: number[]; low: number; high: number; size: number }
  | { kind: "source"; heading: string; file: string; first: number; lines: string[]; marked: number }
  | { kind: "notice"; tone: "error" | "warning" | "note"; title: string; text: string; advice?: string; evidence?: [string, string][]; node?: number }
  | { kind: "series"; heading: string; node: number }
  | { kind: "text"; heading?: string; text: string };

export interface Sheet {
  kicker: string;
  title: string;
  subtitle: string;
  where: string | null;
  tags: string[];
  /** The node whose route from the loss can be lit. */
  route: number | null;
  sections: Section[];
}

export function textOf(cell: CellLike): string {
  return typeof cell === "string" ? cell : cell.text;
}
