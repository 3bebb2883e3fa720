// A column of the embedded ledger: a plain list, a word table with one index a row, or one entry
// for all rows.

export type Packed = unknown[] | { table: unknown[]; index?: number[] };

export function columnReader(packed: Packed | undefined): (row: number) => unknown {
  if (!packed) return () => null;
  if (Array.isArray(packed)) return (row) => packed[row] ?? null;
  const { table, index } = packed;
  return index ? (row) => table[index[row]!] ?? null : () => table[0] ?? null;
}
