// Where a person looks for a node: "fc1.weight", "blocks.3 relu".

import type { LedgerNode } from "./ledger";

/** What the user wrote, "linear", rather than what the framework made of it, "AddmmBackward0". */
export function nameOf(node: LedgerNode): string {
  return node.label || node.op;
}

export function placeOf(node: LedgerNode): string {
  return node.kind === "op" && node.module ? `${node.module} ${nameOf(node)}` : nameOf(node);
}
