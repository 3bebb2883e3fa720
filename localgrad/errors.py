"""Every message of the library, in one room: what is wrong, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localgrad.graph.mutation import Mutation
    from localgrad.graph.node import Node


class LocalgradError(Exception):
    """The base of every error that localgrad raises on purpose."""


class ShapeError(LocalgradError, ValueError):
    """Shapes, axes or dtypes that do not fit together."""


class GraphError(LocalgradError, RuntimeError):
    """A sweep that cannot be made."""


class GradientMismatch(LocalgradError, AssertionError):
    """A declared derivative that disagrees with the function it belongs to."""


class DeclarationError(LocalgradError, TypeError):
    """A declaration of an operation that cannot be read."""


def _at(where: str) -> str:
    return f", at {where}" if where else ""


def operation_failed(
    name: str, values: Any, cause: Exception, where: str, options: Mapping[str, Any] | None = None
) -> ShapeError:
    """An operation refused its arguments: what they are, at which line, why, and what would do."""
    from localgrad.errors_of_operations import reason

    described = ", ".join(_describe(v) for v in values)
    why = reason(name, values, options or {}) or str(cause)
    return ShapeError(f"`{name}` cannot take ({described}){_at(where)}: {why}")


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is None:
        return repr(value)
    if value.dtype.kind in "OUS" and shape == ():
        return repr(value.item())
    return f"{value.dtype}{list(shape)}"


def freed(node: Node) -> GraphError:
    """A second sweep over a node whose retained values are gone."""
    return GraphError(
        f"the values that `{node.op.name}` (made at {node.where or 'an unknown line'}) kept for "
        f"backward were freed by the sweep at {node.kept.where or 'an unknown line'}.\n"
        "  To sweep twice, keep them the first time: loss.backward(retain_graph=True)."
    )


def mutated(node: Node, name: str, changed: Mutation) -> GraphError:
    """A retained value was changed in place between forward and backward."""
    return GraphError(
        f"{changed.where or 'unknown line'}: `{changed.operation}` changed, in place, the value "
        f"`{name}` that `{node.op.name}` (made at {node.where}) had kept for its gradient.\n"
        "  Write to a new tensor instead: `x = x + step` rather than `x += step`, "
        "or make the change before the value is used."
    )


def not_scalar(shape: tuple[int, ...], where: str) -> GraphError:
    """Backward from a value that is not a scalar, without an upstream."""
    return GraphError(
        f"backward() starts from one number, and this tensor has shape {shape}{_at(where)}.\n"
        "  Reduce it first: loss.sum().backward() or loss.mean().backward();\n"
        f"  or say how much each element counts: loss.backward(upstream), of shape {shape}."
    )


def no_graph(where: str) -> GraphError:
    """Backward from a value that nothing recorded."""
    return GraphError(
        f"this tensor depends on nothing that requires a gradient{_at(where)}.\n"
        "  Was it made under lg.no_grad(), from .detach()ed values, or from integers?\n"
        "  Mark what is to be learned: w = lg.asarray(data, requires_grad=True)."
    )


def upstream_shape(expected: tuple[int, ...], got: tuple[int, ...], where: str) -> ShapeError:
    """An upstream whose shape is not that of the value it belongs to."""
    return ShapeError(
        f"the upstream has shape {got}, the tensor {expected}{_at(where)}.\n"
        f"  It says how much each element counts; for all alike: lg.ones({expected})."
    )


def integer_leaf(dtype: Any, where: str) -> ShapeError:
    """A leaf of integers cannot require a gradient."""
    return ShapeError(
        f"a tensor of dtype {dtype} cannot require a gradient: between integers nothing can be "
        f"differentiated{_at(where)}.\n"
        "  Make it a float first: lg.asarray(data, dtype=lg.float32, requires_grad=True)."
    )


def leaf_in_place(operation: str, where: str) -> GraphError:
    """An in-place change of a leaf that is being recorded."""
    return GraphError(
        f"`{operation}` would change a leaf that requires a gradient, in place{_at(where)}.\n"
        "  To update a parameter by hand, write it under `with lg.no_grad():`; "
        "to compute with it, make a new tensor: `y = w + 1`."
    )


def unused_input(index: int, where: str) -> GraphError:
    """A gradient was asked for a tensor that the outputs do not depend on."""
    return GraphError(
        f"the outputs do not depend on input {index}{_at(where)}.\n"
        "  Pass allow_unused=True to get None for it."
    )


def unknown_name(op: str, parameter: str, known: list[str]) -> DeclarationError:
    """A partial that names something which the operation does not have."""
    return DeclarationError(
        f"the partial of `{op}` names `{parameter}`, which is neither an argument, an option, nor "
        f"`y` (the output). It may name: {', '.join(known)}."
    )


def unknown_partial(op: str, partial: str, parameters: Sequence[str]) -> DeclarationError:
    """A partial of something that the forward does not take."""
    return DeclarationError(
        f"`{op}` declares a partial for `{partial}`, which its forward does not take; it takes "
        f"{', '.join(parameters)}."
    )


def gradient_of_option(op: str, option: str, where: str) -> GraphError:
    """An option that requires a gradient: there is no rule by which to compute it."""
    return GraphError(
        f"`{op}` declares no derivative with respect to `{option}`, but the `{option}` that it is "
        f"given requires a gradient, which would be lost{_at(where)}.\n"
        f"  As a constant, give it detached: {option}.detach(); else declare its partial."
    )


def wrong_count(op: str, got: int, arguments: Sequence[str]) -> DeclarationError:
    """A vjp that returns fewer or more gradients than the operation has arguments."""
    return DeclarationError(
        f"the vjp of `{op}` returned {got} gradients for {len(arguments)} arguments.\n"
        f"  Return one for each of {', '.join(arguments)}, in this order; None where there is none."
    )


def too_few_for_topk(k: int, shape: tuple[int, ...], axis: int, where: str) -> ShapeError:
    """More elements asked for than there are."""
    return ShapeError(
        f"topk: there are {shape[axis]} elements along axis {axis} of {shape}, not {k}{_at(where)}."
        f"\n  For all of them, in order: lg.sort(x, axis={axis}, descending=True)."
    )


def undecided_truth(shape: tuple[int, ...], where: str) -> ShapeError:
    """`if tensor:` on more than one element."""
    return ShapeError(
        f"a tensor of shape {shape} is neither true nor false{_at(where)}.\n"
        "  Write lg.any(x) or lg.all(x)."
    )


def not_one_element(shape: tuple[int, ...], where: str) -> ShapeError:
    """`.item()`, `float(x)` on more than one element."""
    return ShapeError(
        f"a tensor of shape {shape} is not one number{_at(where)}.\n"
        "  Index it, x[0], or reduce it, x.sum(), before asking for a Python number."
    )


def no_device(device: Any, where: str) -> ShapeError:
    """A device that is not the CPU."""
    return ShapeError(
        f"there is no device {device!r}{_at(where)}: localgrad computes on the CPU.\n"
        "  Leave the call out; or write 'cpu', which changes nothing."
    )


def no_length(where: str) -> DeclarationError:
    """`len(x)`, or a loop over x, of a tensor without axes."""
    return DeclarationError(
        f"a tensor of shape () is one number: it has no length and no parts{_at(where)}.\n"
        "  x.item() is the number, x.reshape(1) a tensor with one part."
    )


def no_whole_number(value: Any, where: str) -> DeclarationError:
    """A tensor where Python wants a whole number, such as an index of a list."""
    return DeclarationError(
        f"{_describe(value)} is no whole number{_at(where)}.\n"
        "  Write int(x) for one float; a tensor is indexed by arrays of integers, a list is not."
    )


def no_numbers(data: Any, cause: Exception, where: str) -> ShapeError:
    """Data of which no array can be made, or only one of strings or Python's objects."""
    rows = [len(row) for row in data if hasattr(row, "__len__")] if isinstance(data, list) else []
    if len(set(rows)) > 1:
        return ShapeError(
            f"rows of different lengths, {', '.join(map(str, rows[:6]))}, make no array"
            f"{_at(where)}.\n  Pad them to one length, or make a tensor of each."
        )
    return ShapeError(f"{data!r:.60} is no array of numbers{_at(where)} ({cause}).")


def unknown_dtype(dtype: Any, known: Sequence[str], where: str) -> DeclarationError:
    """A name that no dtype has."""
    near = get_close_matches(str(dtype), known, n=2, cutoff=0.5)
    nearest = f" Did you mean {' or '.join(near)}?" if near else f" There are {', '.join(known)}."
    return DeclarationError(f"{dtype!r} is no dtype{_at(where)}.{nearest}")


def bad_size(op: str, shape: Any, more: tuple[Any, ...], where: str) -> ShapeError:
    """A shape that no array has, or one that was given in pieces, or with a dtype behind it."""
    parts = (shape, *more)
    if more and all(hasattr(size, "__index__") for size in parts):
        instead = tuple(map(int, parts))
        return ShapeError(f"`{op}` takes one shape{_at(where)}. Write lg.{op}({instead}).")
    if more:
        return ShapeError(f"`{op}` takes one shape{_at(where)}. Write lg.{op}({shape!r}, dtype=…).")
    return ShapeError(
        f"a shape is a whole number or a tuple of them, none below 0; got {shape!r}{_at(where)}."
    )


def unknown_option(op: str, name: str, known: Sequence[str], where: str) -> DeclarationError:
    """An option that an operation does not have, by the name that is probably meant."""
    from localgrad.methods import SPELLINGS

    near = get_close_matches(name, [*SPELLINGS, *known], n=1) or [""]
    meant = SPELLINGS.get(near[0], near[0])
    hint = f" Write {meant}=…" if meant in known else ""
    return DeclarationError(
        f"`{op}` has no option `{name}`{_at(where)}; it has {', '.join(known) or 'none'}.{hint}"
    )


def wrong_number(op: str, got: int, arguments: Sequence[str], where: str) -> DeclarationError:
    """More or fewer arguments than an operation takes."""
    return DeclarationError(
        f"`{op}` takes ({', '.join(arguments)}), and got {got} arguments{_at(where)}."
    )


def copy_of_computed(op: str, where: str) -> GraphError:
    """A value with a graph behind it was to be pickled, or copied deeply."""
    return GraphError(
        f"a value that `{op}` computed{_at(where)} cannot be copied with its graph.\n"
        "  Copy the value alone: x.detach()."
    )


def no_derivative(op: str, argument: str, where: str) -> GraphError:
    """An operation that was declared without a local gradient for this argument."""
    return GraphError(
        f"`{op}` declares no local gradient with respect to `{argument}`{_at(where)}."
    )


def no_numpy_function(name: str, where: str) -> LocalgradError:
    """A NumPy function was called on a Tensor that has no counterpart here."""
    return DeclarationError(
        f"numpy.{name} has no differentiable counterpart in localgrad{_at(where)}.\n"
        "  On the values alone, write it with x.detach().numpy()."
    )


def in_place_result(symbol: str, x: Any, result: Any, where: str) -> ShapeError:
    """An in-place operation whose result does not fit where it is to be written."""
    return ShapeError(
        f"`x {symbol} …` gives {_describe(result)}, which does not fit into x, {_describe(x)}"
        f"{_at(where)}.\n  Make a new tensor instead: `x = x {symbol[:-1]} …`."
    )


def unknown_workload(name: str, known: Sequence[str]) -> LocalgradError:
    """`localgrad bench` was asked for a workload that is neither built in nor a file."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    nearest = f" Did you mean {' or '.join(near)}?" if near else ""
    return LocalgradError(
        f"there is no workload {name!r}.{nearest}\n"
        f"  Built in: {', '.join(known)}. A file of your own: localgrad bench my_workload.py"
    )


def no_workload_file(path: Path) -> LocalgradError:
    """`localgrad bench` was given a file that is not there, or that defines no WORKLOAD."""
    return LocalgradError(
        f"{path} holds no workload.\n"
        "  A workload is a file that defines WORKLOAD = localgrad.bench.workload.Workload(…)."
    )


def no_such_argument(index: int, count: int, where: str) -> ShapeError:
    """`argnums` that names an argument the function was not called with."""
    return ShapeError(
        f"argnums names argument {index}, but the function was called with {count}{_at(where)}."
    )


def not_a_scalar_function(output: Any, where: str) -> GraphError:
    """`grad` of a function that does not return one number."""
    what = f"a tensor of shape {output.shape}" if hasattr(output, "shape") else repr(output)
    return GraphError(
        f"grad needs a function that returns one number; this one returned {what}{_at(where)}.\n"
        "  Reduce it, `return loss.sum()`; or take lg.jacobian(f), or lg.vjp(f, x) and an upstream."
    )


def tangent_shape(expected: tuple[int, ...], got: tuple[int, ...], where: str) -> ShapeError:
    """A tangent whose shape is not that of its primal."""
    return ShapeError(
        f"a tangent has shape {got}, its primal {expected}{_at(where)}.\n"
        "  It is the direction in which the primal moves, so it has a number for each of its own."
    )


def structure_mismatch(expected: Any, got: Any, where: str) -> ShapeError:
    """An upstream that is nested differently from the outputs."""
    return ShapeError(
        f"the upstream is not nested as the outputs are{_at(where)}: expected the form of "
        f"{type(expected).__name__}, got {type(got).__name__}."
    )


def unknown_choice(what: str, got: Any, known: list[str], where: str) -> LocalgradError:
    """A word that is none of the words an option takes."""
    import difflib

    near = difflib.get_close_matches(str(got), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return DeclarationError(f"{what}={got!r} is none of {', '.join(known)}{_at(where)}.{hint}")



def not_repeatable(first: list[str], second: list[str]) -> GraphError:
    """A checkpointed function that did something else the second time."""
    index = next(
        (i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second))
    )

    def name(run: list[str]) -> str:
        return f"`{run[index]}`" if index < len(run) else "nothing more"

    return GraphError(
        "a checkpointed function must do the same each time it runs, and this one did not: its "
        f"operation number {index + 1} was {name(first)} at first and {name(second)} when it was "
        "computed again.\n  Take branches on counters or on unseeded draws out of it."
    )


def not_one_loss_each(shape: tuple[int, ...], where: str) -> ShapeError:
    """Per-example gradients of something that is not one loss per example."""
    return ShapeError(
        f"per_example_gradients takes one loss per example, of shape (batch,), not {shape}"
        f"{_at(where)}.\n  Losses are not reduced here: cross_entropy(…, reduction='none')."
    )


def nothing_to_check(where: str) -> ShapeError:
    """A gradient check without a float argument."""
    return ShapeError(
        f"there is nothing to differentiate: no argument is an array of floats{_at(where)}."
    )


def wrong_gradient(found: Any, node: Node, formula: str) -> GradientMismatch:
    """An operation whose declared gradient is not that of its forward."""
    element = "" if found.element is None else f", element {found.element}"
    return GradientMismatch(
        f"the gradient of `{found.op}` with respect to `{found.argument}`{element}, is declared as "
        f"{found.declared:.6g}; by {found.against} it is {found.measured:.6g}"
        f"{_at(node.where)}.\n"
        f"  The declaration reads: {found.argument} ← {formula}, where g is the upstream."
    )


def wrong_derivative(row: Any) -> GradientMismatch:
    """A function whose derivative disagrees although every operation agrees on its own."""
    return GradientMismatch(
        f"order {row.order}, {row.mode} mode: the derivative with respect to argument "
        f"{row.argument}, element {row.element}, is {row.computed:.6g}; measured, it is "
        f"{row.measured:.6g}.\n"
        "  Every operation agrees with its own forward at these values, so look for a kink within "
        f"a step of the point (a relu at 0, a tie of a max), a value that f changes in place, or "
        "a part of f outside the graph (detach, no_grad, numpy)."
    )
