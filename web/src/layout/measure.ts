// How large each closed item is drawn; text is measured on a canvas, once a string.

import { isGroup, type Item } from "../model/items";
import { shorten } from "../model/format";

export const FONT = 'Inter, "SF Pro Text", "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export const LEAF_HEIGHT = 71;
export const GROUP_HEIGHT = 77;

const context = document.createElement("canvas").getContext("2d");
const known = new Map<string, number>();

export function textWidth(text: string, font: string): number {
  const key = font + text;
  let width = known.get(key);
  if (width === undefined) {
    if (context) context.font = font;
    width = context ? context.measureText(text).width : text.length * 7;
    known.set(key, width);
  }
  return width;
}

export function titleOf(item: Item): string {
  return shorten(item.title, isGroup(item) ? 24 : 20);
}

export function detailOf(item: Item): string {
  return shorten(item.detail, isGroup(item) ? 26 : 20);
}

/** The size of a title seen from afar, where it has the item to itself. */
export function farFont(item: Item, width: number): string {
  const natural = textWidth(titleOf(item), `600 12.5px ${FONT}`);
  return `${Math.min(24, 12.5 * Math.max(1, (width - (isGroup(item) ? 30 : 18)) / Math.max(1, natural))).toFixed(1)}px`;
}

export interface Size {
  width: number;
  height: number;
}

/** Narrow cards: graphs are far longer than they are tall. */
export function closedSize(item: Item): Size {
  const title = textWidth(titleOf(item), `600 12.5px ${FONT}`);
  const detail = textWidth(detailOf(item), `10.5px ${FONT}`);
  if (isGroup(item)) {
    const badge = item.times > 1 ? 34 : 0;
    return { width: Math.max(88, Math.ceil(Math.max(title + badge, detail)) + 33), height: GROUP_HEIGHT };
  }
  return { width: Math.max(72, Math.ceil(Math.max(title, detail)) + 20), height: LEAF_HEIGHT };
}
