// Where a person looks for a node: "fc1.weight", "blocks.3 relu".

import type { LedgerNode } from "./ledger";

export function placeOf(node: LedgerNode): string {
  if (node.kind !== "op") return node.label || node.op;
  return node.module ? `${node.module} ${node.op}` : node.op;
}
