"""Vanishing and exploding gradients: at the node where it happens, not where it is suffered.

Only layers (nodes that hand a gradient to a parameter) are compared, each with the layers on its
strongest route to the loss. The blame goes to the kind of operation that did most along the way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from localgrad.ledger.findings.words import at, named, number
from localgrad.ledger.model import EdgeRecord, Finding, NodeRecord
from localgrad.ledger.view import View
from localgrad.ledger.vocabulary import (
    CELLS,
    NORMALISATIONS,
    POLYNOMIALS,
    PRODUCTS,
    RECTIFIERS,
    SQUASHERS,
    is_reduction,
)

_MOST = 4
_SCALE = (
    "The data or the loss is far from unit scale: standardise inputs and targets (subtract the "
    "mean, divide by the deviation), and average the loss instead of adding it up."
)


@dataclass(slots=True)
class _Trend:
    """A layer, and the layer nearer to the loss from which the gradient shrank or grew most."""

    layer: NodeRecord
    extreme: NodeRecord
    ratio: float
    in_time: bool


def vanishing(view: View) -> Iterator[Finding]:
    """Layers whose gradient is a tiny part of what a layer nearer to the loss received."""
    limits = view.thresholds
    trends = [
        trend
        for trend in _trends(view, growing=False)
        if trend.ratio < (limits.vanishing_in_time if trend.in_time else limits.vanishing)
    ]
    for trend, worst, count, factor in _blame(view, trends, growing=False):
        severity = "error" if trend.ratio < limits.vanishing_error else "warning"
        yield at(
            worst,
            "vanishing",
            severity,
            f"the gradient vanishes on its way from {named(trend.extreme)} "
            f"(norm {number(view.flow(trend.extreme))}) to {named(trend.layer)} "
            f"(norm {number(view.flow(trend.layer))}): {count} × `{worst.label or worst.op}` "
            f"pass on {number(factor)} of it.",
            {
                "ratio": trend.ratio,
                "norm here": view.flow(trend.layer),
                "norm nearer the loss": view.flow(trend.extreme),
                "nodes": count,
                "factor": factor,
                "layer": trend.layer.place,
                "line of the layer": trend.layer.where or "",
            },
            _cure(view.op(worst), trend.in_time),
        )
    yield from _stopped(view)


def _stopped(view: View) -> Iterator[Finding]:
    """Normalisations that pass on nothing at all: there was nothing to normalise over."""
    for node in view.nodes:
        sent = [
            edge
            for edge in view.record.downstream(node)
            if view.nodes[edge.source].kind != "parameter"
        ]
        if view.op(node) not in NORMALISATIONS or not view.flow(node) or not sent:
            continue
        if any(edge.norm for edge in sent):
            continue
        yield at(
            node,
            "vanishing",
            "error",
            f"{named(node)} receives a gradient of norm {number(view.flow(node))} and passes "
            "nothing back: its output does not depend on its input.",
            {"norm upstream": view.flow(node), "norm downstream": 0.0},
            "It normalises over a single value, which is always its own mean: use a larger batch, "
            "or normalise over an axis that is longer than one.",
        )


def exploding(view: View) -> Iterator[Finding]:
    """Layers whose gradient is many times what a layer nearer to the loss received."""
    limits = view.thresholds
    trends = [trend for trend in _trends(view, growing=True) if trend.ratio > limits.exploding]
    seen: set[str | None] = set()
    for trend, worst, count, factor in _blame(view, trends, growing=True):
        severity = "error" if trend.ratio > limits.exploding_error else "warning"
        seen.add(worst.where)
        yield at(
            worst,
            "exploding",
            severity,
            f"the gradient explodes on its way from {named(trend.extreme)} "
            f"(norm {number(view.flow(trend.extreme))}) to {named(trend.layer)} "
            f"(norm {number(view.flow(trend.layer))}): {count} × `{worst.label or worst.op}` "
            f"multiply it by {number(factor)}.",
            {
                "ratio": trend.ratio,
                "norm here": view.flow(trend.layer),
                "norm nearer the loss": view.flow(trend.extreme),
                "nodes": count,
                "factor": factor,
                "layer": trend.layer.place,
            },
            "Initialise smaller (Glorot or He for the activation in use, orthogonal for a "
            "recurrent weight), put a normalisation between the layers, or clip the norm: "
            "nn.utils.clip_grad_norm_(parameters, 1.0).",
        )
    yield from _single_gains(view, seen)
    if not seen:
        yield from _large_updates(view)


def _single_gains(view: View, seen: set[str | None]) -> Iterator[Finding]:
    """One operation that multiplies the gradient by an enormous number."""
    limit = view.thresholds.exploding_gain
    for edge in view.edges:
        consumer, source = view.nodes[edge.consumer], view.nodes[edge.source]
        if source.kind == "parameter" or consumer.where in seen or is_reduction(consumer.op):
            continue
        if _multiplies_by_constant(view, consumer):
            continue  # a loss that is scaled on purpose, as mixed precision does
        change = view.change(edge)
        if change is None or change <= math.log(limit):
            continue
        seen.add(consumer.where)
        yield at(
            consumer,
            "exploding",
            "warning",
            f"{named(consumer)} multiplies the gradient by {number(math.exp(change))}: "
            f"norm {number(view.flow(consumer))} arrives, {number(edge.norm)} is sent on.",
            {
                "factor": math.exp(change),
                "norm upstream": view.flow(consumer),
                "norm downstream": edge.norm or 0.0,
            },
            _SCALE
            if view.op(consumer) in POLYNOMIALS
            else "Its local gradient is steep at these values (a root or a logarithm near 0, a "
            "division by almost 0): add an epsilon inside, or clamp the argument first.",
        )


def _large_updates(view: View) -> Iterator[Finding]:
    """A parameter whose gradient dwarfs it although no layer amplified: the loss's own scale."""
    limit = view.thresholds.exploding_update
    worst: tuple[float, NodeRecord] | None = None
    for node in view.nodes:
        if node.kind != "parameter" or node.value is None or not node.value.norm:
            continue
        ratio = view.flow(node) / node.value.norm
        if ratio > limit and math.isfinite(ratio) and (worst is None or ratio > worst[0]):
            worst = ratio, node
    if worst is None:
        return
    ratio, parameter = worst
    edge = view.main_edge(parameter)
    node = view.nodes[edge.consumer] if edge is not None else parameter
    yield at(
        node,
        "exploding",
        "warning",
        f"the gradient of {named(parameter)} is {number(ratio)} times as large as the parameter "
        "although no layer amplifies it: the data or the loss is far from unit scale.",
        {
            "ratio": ratio,
            "gradient norm": view.flow(parameter),
            "parameter norm": parameter.value.norm if parameter.value else 0.0,
        },
        _SCALE,
    )


def _trends(view: View, growing: bool) -> list[_Trend]:
    """Each layer against the extreme of its strongest route to the loss."""
    extreme: dict[int, tuple[float, NodeRecord | None]] = {}  # effective norm at the extreme
    scale: dict[int, float] = {}  # what learned gates took away on purpose, by now
    trends = []
    for node in view.sweep_order:
        edge = view.main_edge(node)
        if edge is None:
            extreme[node.id], scale[node.id] = (math.nan, None), 1.0
            continue
        change = view.change(edge)
        gate = view.scales_by_parameter(edge) and change is not None
        scale[node.id] = scale[edge.consumer] * (math.exp(change) if gate and change else 1.0)
        best, holder = extreme[edge.consumer]
        flow = view.flow(node) / (scale[node.id] or 1.0)
        layer = node.kind == "op" and view.is_layer(node) and flow > 0 and math.isfinite(flow)
        if layer and holder is not None:
            in_time = bool(view.parameters_of(node) & view.parameters_of(holder))
            trends.append(_Trend(node, holder, flow / best, in_time))
        if layer and (holder is None or (flow < best if growing else flow > best)):
            best, holder = flow, node
        extreme[node.id] = best, holder
    return trends


def _blame(
    view: View, trends: list[_Trend], growing: bool
) -> Iterator[tuple[_Trend, NodeRecord, int, float]]:
    """The worst trend of each place: the guilty node, how many of its kind, their factor."""
    seen: set[tuple[str | None, str]] = set()
    excused: set[int] = set()
    for trend in sorted(trends, key=lambda item: item.ratio, reverse=growing):
        if trend.layer.id in excused or len(seen) == _MOST:
            continue
        route = _between(view, trend)
        excused.update(edge.consumer for edge in route)
        totals: dict[str, float] = defaultdict(float)
        members: dict[str, list[EdgeRecord]] = defaultdict(list)
        for edge in route:
            change = view.change(edge)
            if change is None or view.scales_by_parameter(edge):
                continue
            name = view.op(view.nodes[edge.consumer])
            totals[name] += change
            members[name].append(edge)
        if not totals:
            continue
        sign = 1.0 if growing else -1.0
        name = max(totals, key=lambda item: sign * totals[item])
        worst = max(members[name], key=lambda edge: sign * (view.change(edge) or 0.0))
        node = view.nodes[worst.consumer]
        if (node.where, name) in seen:
            continue
        seen.add((node.where, name))
        yield trend, node, len(members[name]), math.exp(totals[name])


def _between(view: View, trend: _Trend) -> list[EdgeRecord]:
    route = []
    for edge in view.main_route(trend.layer):
        route.append(edge)
        if edge.consumer == trend.extreme.id:
            break
    return route


def _multiplies_by_constant(view: View, node: NodeRecord) -> bool:
    return view.op(node) in ("multiply", "divide") and len(node.downstream) == 1


def _cure(op: str, in_time: bool) -> str:
    if in_time:
        return (
            "The early time steps hardly learn: use a gated cell (nn.LSTM, nn.GRU) with a "
            "positive forget bias, an orthogonal recurrent weight, or shorter sequences."
        )
    if op in SQUASHERS:
        return (
            "Squashing activations pass on at most a quarter (sigmoid) of what arrives: use relu "
            "or gelu with He initialisation, a normalisation before them, or a skip: x + f(x)."
        )
    if op in PRODUCTS or op in CELLS or op in RECTIFIERS:
        return (
            "The weights are too small for this depth: initialise with nn.init.kaiming_normal_ "
            "(relu) or nn.init.xavier_normal_ (tanh), add a normalisation, or a skip: x + f(x)."
        )
    return "See whether this operation is meant to scale the gradient down; if not, remove it."
