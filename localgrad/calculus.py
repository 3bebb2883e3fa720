"""Derivatives of functions: compositions of the two sweeps.

Every transform makes its arguments fresh variables, joined to whatever they came from, runs the
function, and sweeps from its result to those variables and no further. So transforms nest, and
the perturbation of one is never taken for that of another.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from localgrad import errors, tree
from localgrad.graph.forward import push_tangents
from localgrad.graph.node import Node
from localgrad.graph.order import reachable
from localgrad.graph.record import enable_grad, here, state
from localgrad.kernels import reference as xp
from localgrad.local.composite import alias
from localgrad.local.operation import LEAF, as_raw
from localgrad.ops.shape import stack
from localgrad.tensor import Tensor, gradients


class _Running(threading.local):
    """Variables of the transforms whose function is running: their owners will differentiate."""

    def __init__(self) -> None:
        self.nodes: set[Node] = set()


_running = _Running()


@contextlib.contextmanager
def _differentiating(variables: Sequence[Tensor]) -> Iterator[None]:
    """Recording is on, and `variables` are open, while a transformed function runs."""
    nodes = {v.source for v in variables if v.source is not None}
    _running.nodes |= nodes
    try:
        with enable_grad():
            yield
    finally:
        _running.nodes -= nodes


def variable(value: Any) -> Tensor:
    """A fresh variable with `value`, joined to the graph that the value came from."""
    tensor = value if isinstance(value, Tensor) else Tensor(as_raw(value))
    if tensor.dtype.kind not in "fc":
        raise errors.integer_leaf(tensor.dtype, here())
    return alias(tensor.value, tensor.source)


def is_observed(outputs: Sequence[Tensor], variables: Sequence[Tensor]) -> bool:
    """Whether somebody outside may differentiate the result: then the sweep is recorded too.

    That is so where the outputs depend on a leaf (a closure's parameter, say) or on a variable of
    a transform that is still running.
    """
    if not state.enabled:
        return False
    mine = {v.source for v in variables}
    nodes = reachable([o.source for o in outputs if o.source is not None])
    return any(node in _running.nodes or node.op is LEAF for node in nodes if node not in mine)


def _leave(outputs: Sequence[Any], variables: Sequence[Tensor]) -> list[Any]:
    """Outputs as the caller gets them: out of the graph, unless somebody may differentiate them."""
    tensors = [o for o in outputs if isinstance(o, Tensor)]
    if is_observed(tensors, variables):
        return list(outputs)
    return [Tensor(o.value) if isinstance(o, Tensor) else o for o in outputs]


def _open(arguments: Sequence[Any], argnums: int | Sequence[int] | None) -> tuple[Any, Any, Any]:
    """Arguments with the chosen ones made of fresh variables; the variables; their structure."""
    chosen = range(len(arguments)) if argnums is None else argnums
    chosen = (chosen,) if isinstance(chosen, int) else tuple(chosen)
    opened = list(arguments)
    variables: list[Tensor] = []
    structures = []
    for index in chosen:
        if not -len(arguments) <= index < len(arguments):
            raise errors.no_such_argument(index, len(arguments), here())
        leaves, structure = tree.flatten(arguments[index])
        fresh = [variable(leaf) for leaf in leaves]
        opened[index] = tree.unflatten(structure, fresh)
        variables += fresh
        structures.append(structure)
    return opened, variables, structures


def _close(found: Sequence[Any], structures: Sequence[Any], single: bool) -> Any:
    """Flat results in the structure of the arguments that they belong to."""
    items = iter(found)
    parts = tuple(
        tree.unflatten(s, [next(items) for _ in range(tree.count(s))]) for s in structures
    )
    return parts[0] if single else parts


def _scalar(output: Any) -> Tensor:
    if not isinstance(output, Tensor) or output.size != 1:
        raise errors.not_a_scalar_function(output, here())
    return output


def _pull(outputs: Any, variables: Any, upstreams: Any, retain: bool = False) -> list[Any]:
    """Sweep from outputs to variables; zeros where there is no path."""
    observed = is_observed(outputs, variables) or any(
        isinstance(u, Tensor) and u.source is not None for u in upstreams
    )
    pairs = [(o, u) for o, u in zip(outputs, upstreams) if o.source is not None]
    found = gradients(
        [o for o, _ in pairs],
        variables,
        [u for _, u in pairs],
        retain_graph=retain or observed,
        create_graph=observed,
        allow_unused=True,
        fenced=True,
    )
    return [
        Tensor(xp.zeros(v.shape, v.dtype)) if g is None else g for g, v in zip(found, variables)
    ]


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """x ↦ (f(x), ∂f/∂x), of a function that returns one number.

    `argnums` says which arguments; a tuple of numbers gives a tuple of gradients. Arguments may
    be tuples, lists and dicts of tensors; a gradient has its argument's structure.

    >>> import localgrad as lg
    >>> lg.value_and_grad(lambda x: x * x)(3.0)
    (Tensor(9., dtype=float32), Tensor(6., dtype=float32))
    """

    @functools.wraps(f)
    def transformed(*arguments: Any, **options: Any) -> tuple[Any, Any]:
        opened, variables, structures = _open(arguments, argnums)
        with _differentiating(variables):
            output = _scalar(f(*opened, **options))
        (value,) = _leave([output], variables)
        return value, _close(
            _pull([output], variables, [None]), structures, isinstance(argnums, int)
        )

    return transformed


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """x ↦ ∂f/∂x, of a function that returns one number.

    >>> import localgrad as lg
    >>> lg.grad(lg.grad(lambda x: x**3))(2.0)
    Tensor(12., dtype=float32)

    Derivatives inside derivatives keep apart whose variable is whose:

    >>> lg.grad(lambda x: x * lg.grad(lambda y: x * y)(2.0))(4.0)
    Tensor(8., dtype=float32)
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def transformed(*arguments: Any, **options: Any) -> Any:
        return both(*arguments, **options)[1]

    return transformed


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """f(primals), and `pull`: upstream ↦ upstreamᵀ·J, one part per primal. It may be called often.

    >>> import localgrad as lg
    >>> y, pull = lg.vjp(lambda x: x * x, lg.asarray([1.0, 3.0]))
    >>> pull(lg.asarray([1.0, 10.0]))
    (Tensor([ 2., 60.], dtype=float32),)
    """
    opened, variables, structures = _open(primals, None)
    with _differentiating(variables):
        leaves, structure = tree.flatten(f(*opened))

    def pull(upstream: Any) -> Any:
        upstreams = tree.leaves_like(upstream, structure, here())
        return _close(_pull(leaves, variables, upstreams, retain=True), structures, False)

    return tree.unflatten(structure, _leave(leaves, variables)), pull


def jvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """f(primals), and J·tangents: how the outputs move as the primals move along the tangents.

    >>> import localgrad as lg
    >>> lg.jvp(lambda x: x * x, (3.0,), (1.0,))[1]
    Tensor(6., dtype=float32)
    """
    opened, variables, _ = _open(tuple(primals), None)
    moves = [_as_tensor(t, v) for t, v in zip(tree.flatten(tuple(tangents))[0], variables)]
    with _differentiating(variables):
        leaves, structure = tree.flatten(f(*opened))
    moved = _push(leaves, variables, moves)
    return (
        tree.unflatten(structure, _leave(leaves, variables)),
        tree.unflatten(structure, moved),
    )


def _as_tensor(value: Any, like: Tensor) -> Tensor:
    tensor = value if isinstance(value, Tensor) else Tensor(xp.asarray(value, like.dtype))
    if tensor.shape != like.shape:
        raise errors.tangent_shape(like.shape, tensor.shape, here())
    return tensor


def _push(leaves: Sequence[Tensor], variables: Sequence[Tensor], moves: Sequence[Any]) -> list[Any]:
    """Tangents of `leaves` for tangents `moves` of `variables`."""
    roots = [o.source for o in leaves if o.source is not None]
    observed = is_observed(leaves, variables) or any(m.source is not None for m in moves)
    given: dict[Node, Any] = {
        v.source: (m if observed else m.value) for v, m in zip(variables, moves) if v.source
    }
    known = push_tangents(roots, given, on_tensors=observed)
    results = []
    for leaf in leaves:
        found = None if leaf.source is None else known.get(leaf.source)
        if found is None:
            found = xp.zeros(leaf.shape, leaf.dtype)
        results.append(found if isinstance(found, Tensor) else Tensor(found))
    return results


def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, mode: str = "auto"
) -> Callable[..., Any]:
    """x ↦ ∂f/∂x whole, of shape output.shape + input.shape.

    "reverse" sweeps once per output element, "forward" once per input element; "auto" takes the
    fewer. Outputs and inputs may be structures: a structure of outputs of structures of inputs.

    >>> import localgrad as lg
    >>> lg.jacobian(lambda x: x * x)(lg.asarray([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if mode not in ("auto", "reverse", "forward"):
        raise errors.unknown_choice("mode", mode, ["auto", "reverse", "forward"], here())

    @functools.wraps(f)
    def transformed(*arguments: Any, **options: Any) -> Any:
        opened, variables, structures = _open(arguments, argnums)
        with _differentiating(variables):
            leaves, structure = tree.flatten(f(*opened, **options))
        rows = sum(o.size for o in leaves)
        columns = sum(v.size for v in variables)
        forward = mode == "forward" or (mode == "auto" and columns < rows)
        blocks = (_by_columns if forward else _by_rows)(leaves, variables)
        single = isinstance(argnums, int)
        return tree.unflatten(structure, [_close(row, structures, single) for row in blocks])

    return transformed


def _units(like: Tensor) -> Any:
    """The unit vectors of a tensor's space, shaped like it."""
    for index in range(like.size):
        unit = xp.zeros(like.size, like.dtype)
        unit[index] = 1
        yield Tensor(unit.reshape(like.shape))


def _by_rows(leaves: Sequence[Tensor], variables: Sequence[Tensor]) -> list[list[Tensor]]:
    blocks = []
    for output in leaves:
        rows = [_pull([output], variables, [unit], retain=True) for unit in _units(output)]
        blocks.append(
            [
                stack(parts).reshape((*output.shape, *v.shape))
                if rows
                else Tensor(xp.zeros((*output.shape, *v.shape), v.dtype))
                for v, parts in zip(variables, zip(*rows) if rows else [()] * len(variables))
            ]
        )
    return blocks


def _by_columns(leaves: Sequence[Tensor], variables: Sequence[Tensor]) -> list[list[Tensor]]:
    blocks: list[list[Any]] = [[] for _ in leaves]
    for moving in variables:
        columns = [
            _push(
                leaves,
                variables,
                [u if v is moving else Tensor(xp.zeros(v.shape, v.dtype)) for v in variables],
            )
            for u in _units(moving)
        ]
        for row, output, parts in zip(blocks, leaves, zip(*columns)):
            row.append(stack(parts, axis=-1).reshape((*output.shape, *moving.shape)))
    return blocks


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """x ↦ ∂²f/∂x∂x, of shape input.shape + input.shape, by forward over reverse.

    >>> import localgrad as lg
    >>> lg.hessian(lambda x: (x**3).sum())(lg.asarray([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(f, argnums), argnums, mode="forward")


def hvp(f: Callable[..., Any], primals: Any, vectors: Any) -> Any:
    """H·v without H: the gradient's derivative along `vectors`, by forward over reverse.

    Cost: a small multiple of one evaluation of f. With one primal the result is one tensor.

    >>> import localgrad as lg
    >>> lg.hvp(lambda x: (x**3).sum(), (lg.asarray([1.0, 2.0]),), (lg.asarray([1.0, 1.0]),))
    Tensor([ 6., 12.], dtype=float32)
    """
    primals = tuple(primals)
    gradient = grad(f, tuple(range(len(primals))))
    moved = jvp(gradient, primals, tuple(vectors))[1]
    return moved[0] if len(primals) == 1 else moved
