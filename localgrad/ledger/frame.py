"""The ledger as a table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from localgrad.ledger.model import EdgeRecord, LedgerRecord

_HEAVY = ("contribution", "source", "consumer")


def to_frame(record: LedgerRecord) -> Any:
    """Return a pandas DataFrame with one row an edge, indexed by the edge's id."""
    import pandas

    names = [item.name for item in fields(EdgeRecord) if item.name not in _HEAVY]
    rows = []
    for edge in record.edges:
        source, consumer = record.nodes[edge.source], record.nodes[edge.consumer]
        rows.append(
            {name: getattr(edge, name) for name in names}
            | {
                "source": source.place,
                "source_where": source.where,
                "consumer": consumer.place,
                "consumer_where": consumer.where,
                "module": consumer.module,
                "upstream_norm": None if consumer.upstream is None else consumer.upstream.norm,
            }
        )
    return pandas.DataFrame(rows).set_index("id") if rows else pandas.DataFrame()
