// Heights. dagre decides columns and the order within them; here every item moves up or down to
// where its edges run straight, without passing its neighbours. One column at a time this is the
// least-squares problem with ordered unknowns, which pooling adjacent violators solves exactly.

export interface Row {
  /** Middle of the item. */
  y: number;
  height: number;
  column: number;
  links: Link[];
}

export interface Link {
  to: Row;
  /** Where the edge leaves this item and enters the other, from their middles. */
  here: number;
  there: number;
  weight: number;
}

const SWEEPS = 40;
const GAP = 18;

export function link(from: Row, to: Row, weight: number, here = 0, there = 0): void {
  from.links.push({ to, here, there, weight });
  to.links.push({ to: from, here: there, there: here, weight });
}

export function straighten(rows: Row[]): void {
  const columns = new Map<number, Row[]>();
  for (const row of rows) {
    const key = Math.round(row.column);
    (columns.get(key) ?? columns.set(key, []).get(key)!).push(row);
  }
  const order = [...columns.keys()].sort((a, b) => a - b).map((key) => columns.get(key)!);
  for (const column of order) column.sort((a, b) => a.y - b.y);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const columnsNow = sweep % 2 ? [...order].reverse() : order;
    for (const column of columnsNow) settle(column);
  }
}

function settle(column: Row[]): void {
  // Blocks of rows that touch: each knows its rows' wishes relative to the block's first row.
  const blocks: { rows: Row[]; offsets: number[]; length: number; weight: number; wish: number }[] = [];
  for (const row of column) {
    let weight = 0.02;
    let wish = row.y * weight;
    for (const { to, here, there, weight: pull } of row.links) {
      weight += pull;
      wish += (to.y + there - here) * pull;
    }
    let block = { rows: [row], offsets: [0], length: 0, weight, wish };
    for (let before = blocks.at(-1); before; before = blocks.at(-1)) {
      const last = before.rows.at(-1)!;
      const distance = (last.height + block.rows[0]!.height) / 2 + gapBetween(last, block.rows[0]!);
      const shift = before.length + distance;
      if (block.wish / block.weight >= before.wish / before.weight + shift) break;
      blocks.pop();
      block = {
        rows: [...before.rows, ...block.rows],
        offsets: [...before.offsets, ...block.offsets.map((offset) => offset + shift)],
        length: shift + block.length,
        weight: before.weight + block.weight,
        wish: before.wish + block.wish - shift * block.weight,
      };
    }
    blocks.push(block);
  }
  for (const block of blocks) {
    const start = block.wish / block.weight;
    block.rows.forEach((row, index) => { row.y = start + block.offsets[index]!; });
  }
}

function gapBetween(above: Row, below: Row): number {
  return above.height < 4 && below.height < 4 ? GAP / 2 : GAP;
}
