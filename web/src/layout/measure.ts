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
  return shorten(item.title, isGroup(item) ? 24 : 22);
}

export function detailOf(item: Item): string {
  return shorten(item.detail, isGroup(item) ? 26 : 20);
}

/** The size at which a text takes the width of an item, seen from afar. */
export function farFont(text: string, weight: number, width: number): string {
  const natural = textWidth(text, `${weight} 10px ${FONT}`);
  return `${((10 * (width - 18)) / Math.max(1, natural)).toFixed(1)}px`;
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
  return { width: Math.max(80, Math.ceil(Math.max(title, detail)) + 20), height: LEAF_HEIGHT };
}
