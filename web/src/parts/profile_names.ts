// The names under the depth profile, as far as there is room: of the columns, and below them of the
// modules that hold several columns. Words come first; numbers are given at even steps.

import type { ScaleBand } from "d3-scale";
import { s } from "../dom";
import { FONT, textWidth } from "../layout/measure";
import { shorten, shortenLeft } from "../model/format";
import type { Column } from "../model/profile";

/** Room between two names. */
const GAP = 8;
const EVERY = [1, 2, 5, 10, 20, 50, 100];

interface Name {
  /** "blocks", "recurrent", "step". */
  holder: string;
  /** "3", "gru", "7". */
  own: string;
}

/** Repeats that stand side by side are numbered over their name; one by itself says both. */
function namesOf(columns: Column[]): Name[] {
  return columns.map(({ path, part }, index) => {
    const beside = [columns[index - 1], columns[index + 1]].some((other) => other?.part && other.path === path);
    if (part && (beside || !path)) return { holder: path || part.word, own: part.name };
    const cut = path.lastIndexOf(".");
    const own = [path.slice(cut + 1) || "·", part?.name].filter(Boolean).join(" ");
    return { holder: path.slice(0, Math.max(cut, 0)), own };
  });
}

function widthOf(text: string): number {
  return textWidth(text, `10px ${FONT}`);
}

export function columnNames(columns: Column[], x: ScaleBand<number>, width: number, height: number): SVGElement[] {
  const names = namesOf(columns);
  const write = (text: string, middle: number, line: number): SVGElement =>
    s("text", { class: "name", x: middle, y: height - line, "text-anchor": "middle" }, text);
  const marks = placed(names, x, width).map(({ text, middle }) => write(text, middle, 18));
  for (const { holder, from, to } of holders(names)) {
    const [left, right] = [x(from)!, x(to)! + x.bandwidth()];
    marks.push(s("line", { class: "holder", x1: left, x2: right, y1: height - 13.5, y2: height - 13.5 }));
    const text = shortenLeft(holder, Math.floor((right - left) / 5.6));
    if (text.length > 1) marks.push(write(text, (left + right) / 2, 4));
  }
  return marks;
}

interface Placed {
  text: string;
  index: number;
  middle: number;
  half: number;
}

/** The names that there is room for, from left to right. */
function placed(names: Name[], x: ScaleBand<number>, width: number): Placed[] {
  const found: Placed[] = [];
  const place = (text: string, index: number): void => {
    const half = widthOf(text) / 2;
    const middle = Math.min(x(index)! + x.bandwidth() / 2, width - half - 2);
    const free = found.every((other) => Math.abs(other.middle - middle) >= other.half + half + GAP);
    if (free) found.push({ text, index, middle, half });
  };
  const isNumber = ({ own }: Name): boolean => /^\d+$/.test(own);
  names.forEach((name, index) => {
    const isRange = /^\d+–\d+$/.test(name.own); // half a number is none
    const text = isRange ? name.own : shorten(name.own, Math.max(7, Math.round(x.step() / 4.6)));
    if (!isNumber(name)) place(text, index);
  });
  const widest = Math.max(0, ...names.filter(isNumber).map((name) => widthOf(name.own)));
  const every = EVERY.find((step) => step * x.step() >= widest + GAP) ?? EVERY.at(-1)!;
  names.forEach((name, index) => {
    if (!isNumber(name)) return;
    if (name.holder !== names[index - 1]?.holder || Number(name.own) % every === 0) place(name.own, index);
  });
  return found.sort((a, b) => a.index - b.index);
}

/** Neighbouring columns that one module holds. */
function holders(names: Name[]): { holder: string; from: number; to: number }[] {
  const found: { holder: string; from: number; to: number }[] = [];
  names.forEach(({ holder }, index) => {
    const last = found.at(-1);
    if (holder && last?.holder === holder && last.to === index - 1) last.to = index;
    else if (holder) found.push({ holder, from: index, to: index });
  });
  return found;
}
