// A column of the embedded ledger: a plain list, or a word table with one index a row.

export type Packed = unknown[] | { table: unknown[]; index: number[] };

export function columnReader(packed: Packed | undefined): (row: number) => unknown {
  if (!packed) return () => null;
  if (Array.isArray(packed)) return (row) => packed[row] ?? null;
  return (row) => packed.table[packed.index[row]!] ?? null;
}
