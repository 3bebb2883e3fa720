// Folding: consecutive siblings that repeat the same structure become one stack ("×12"), and what
// is still too long for one layout is cut into stretches.

import { adopt, isGroup, newGroup, type Group, type Item } from "./items";
import type { Ledger } from "./ledger";

// An unrolled cell of a recurrent network is some twenty operations long.
const LONGEST_PATTERN = 40;
const LEAST_REPEATS = 3;
// A pattern of bare operations must be long to be worth hiding behind a stack.
const LEAST_LEAVES_FOLDED = 18;
// dagre stays below a tenth of a second at this many items.
const MOST_CHILDREN = 64;
// What is longer is cut into stretches of about so many, no more than so many side by side.
const STRETCH = 32;
const STRETCHES = 8;
// So many repeats side by side can still be read in one window; 64 become 8 × 8.
const MOST_REPEATS = 16;

function signature(item: Item, ledger: Ledger): string {
  if (!isGroup(item)) return `${item.node.kind}:${item.node.op}:${item.node.shape.join("x")}`;
  if (item.kind === "stack") return `stack:${item.id}`;
  const declared = item.kind === "module" ? ledger.modules.get(item.path)?.group : "";
  if (declared) return `module:${declared}`;
  return `${item.kind}:${item.detail}(${item.children.map((child) => signature(child, ledger)).join(",")})`;
}

/** How often the pattern of `length` signatures that starts at `start` follows itself. */
function repeats(marks: string[], start: number, length: number): number {
  let times = 1;
  for (;;) {
    const next = start + times * length;
    if (next + length > marks.length) return times;
    for (let offset = 0; offset < length; offset++) {
      if (marks[next + offset] !== marks[start + offset]) return times;
    }
    times++;
  }
}

function worthFolding(items: Item[], start: number, length: number, times: number): boolean {
  if (times < LEAST_REPEATS) return false;
  const pattern = items.slice(start, start + length);
  return pattern.some(isGroup) || length * times >= LEAST_LEAVES_FOLDED;
}

function bestPattern(items: Item[], marks: string[], start: number): { length: number; times: number } | null {
  let best: { length: number; times: number } | null = null;
  for (let length = 1; length <= LONGEST_PATTERN && start + length * 2 <= items.length; length++) {
    const times = repeats(marks, start, length);
    if (!worthFolding(items, start, length, times)) continue;
    if (!best || length * times > best.length * best.times) best = { length, times };
  }
  return best;
}

/** The first and the last name; what both begin with stands once: "blocks.0 … 11". */
function span(first: string, last: string): string {
  if (first === last) return first;
  let same = 0;
  while (first[same] === last[same]) same++;
  while (same > 0 && !". ".includes(first[same - 1]!)) same--;
  return `${first} … ${last.slice(same)}`;
}

/** The named items that a repeat begins and ends with; the repeat itself where it holds only operations. */
function ends(item: Item): [Item, Item] {
  const named = isGroup(item) && item.kind === "unit" ? item.children.filter(isGroup) : [];
  return [named[0] ?? item, named.at(-1) ?? item];
}

function makeStack(owner: string, members: Item[]): Group {
  const first = members[0]!;
  const last = members[members.length - 1]!;
  const stack = newGroup("stack", `s:${owner}/${first.id}`, span(ends(first)[0].title, ends(last)[1].title), members);
  stack.times = members.length;
  stack.detail = first.detail;
  if (isGroup(first)) stack.path = first.path;
  return stack;
}

function makeUnit(owner: string, members: Item[], index: number): Group {
  const named = members.filter(isGroup);
  const word = members.every((item) => isGroup(item) || item.node.step !== null) ? "step" : "repeat";
  const title = named.length ? span(named[0]!.title, named.at(-1)!.title) : `${word} ${index + 1}`;
  const unit = newGroup("unit", `u:${owner}/${members[0]!.id}`, title, members);
  unit.detail = members.filter((item) => isGroup(item) || item.node.kind === "op")
    .map((item) => (isGroup(item) ? item.detail || item.title : item.title)).slice(0, 4).join(" · ");
  return unit;
}

/** A parameter that every step uses belongs to none of them. */
function isShared(item: Item): boolean {
  return !isGroup(item) && item.node.kind !== "op" && item.node.arrived.length >= LEAST_REPEATS;
}

export function fold(owner: string, all: Item[], ledger: Ledger): Item[] {
  if (owner.startsWith("s:") || all.length < LEAST_REPEATS) return all;
  const items = all.filter((item) => !isShared(item));
  const marks = items.map((item) => signature(item, ledger));
  const result: Item[] = [];
  for (let at = 0; at < items.length; ) {
    const pattern = bestPattern(items, marks, at);
    if (!pattern) {
      result.push(items[at++]!);
      continue;
    }
    const members: Item[] = [];
    for (let time = 0; time < pattern.times; time++) {
      const part = items.slice(at + time * pattern.length, at + (time + 1) * pattern.length);
      members.push(part.length === 1 ? part[0]! : makeUnit(owner, part, time));
    }
    const stack = makeStack(owner, members);
    stack.children = chunk(stack.id, stack.children, REPEATS);
    result.push(adopt(stack));
    at += pattern.length * pattern.times;
  }
  return [...all.filter(isShared), ...result].sort((a, b) => a.order - b.order);
}

/** A group that holds one stack and nothing else is that stack, under the group's name. */
export function mergeStack(group: Group): void {
  const only = group.children[0];
  if (group.children.length !== 1 || !only || only.kind !== "stack" || group.kind === "root") return;
  group.kind = "stack";
  group.times = only.times;
  group.detail = only.detail;
  group.children = only.children;
}

interface Cut {
  /** A list of so many is left whole. */
  most: number;
  pieces: (length: number) => number;
  /** `at` of the whole list is where the piece begins. */
  describe: (piece: Group, members: Item[], at: number) => void;
}

const LIST: Cut = {
  most: MOST_CHILDREN,
  pieces: (length) => rooted(length / STRETCH, STRETCHES),
  describe: (piece, members, at) => {
    piece.title = `${at + 1} … ${at + members.length}`;
    piece.detail = span(members[0]!.title, members.at(-1)!.title);
  },
};

const REPEATS: Cut = {
  most: MOST_REPEATS,
  pieces: (length) => rooted(length, MOST_REPEATS),
  describe: (piece, members, at) => {
    const [first, last] = [ends(members[0]!)[0].title, ends(members.at(-1)!)[1].title];
    piece.title = first === last ? `${first} ${at + 1} … ${at + members.length}` : span(first, last);
    piece.detail = members[0]!.detail;
    piece.times = members.length;
  },
};

/** The smallest root of `length` that is at most `most`. */
function rooted(length: number, most: number): number {
  const levels = Math.ceil(Math.log(length) / Math.log(most)) || 1;
  return Math.ceil(length ** (1 / levels));
}

/** Cuts a list into stretches of nearly equal length, in levels where there are very many. */
export function chunk(owner: string, items: Item[], how: Cut = LIST, from = 0): Item[] {
  if (items.length <= how.most) return items;
  const size = Math.ceil(items.length / how.pieces(items.length));
  const result: Item[] = [];
  for (let at = 0; at < items.length; at += size) {
    const part = items.slice(at, at + size);
    const id = `k:${owner}/${at}-${size}`;
    const piece = newGroup("chunk", id, "", chunk(id, part, how, from + at));
    how.describe(piece, part, from + at);
    result.push(piece);
  }
  return result;
}

/** What a stack repeats, through the stretches that it is cut into. */
export function repeatsOf(stack: Group): Item[] {
  return stack.children.flatMap((child) => (isGroup(child) && child.kind === "chunk" ? repeatsOf(child) : [child]));
}
