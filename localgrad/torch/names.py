"""What PyTorch's nodes are called, what their arguments are called, and what kind they are."""

from __future__ import annotations

import re
from functools import cache

import torch

from localgrad.ledger.model import Formula
from localgrad.ledger.vocabulary import ELEMENTWISE, FLAT, canonical

# Operations that PyTorch carries out as one node although they are many steps of mathematics.
_FUSED = (
    "scaled_dot_product",
    "layer_norm",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "lstm",
    "gru",
    "rnn",
    "nll_loss",
    "cross_entropy",
    "log_softmax",
    "fused",
    "ctc_loss",
    "binary_cross_entropy",
    "convolution",
    "addmm",
    "transformer_encoder",
    "multi_head_attention",
)
_VIEWS = {
    "view",
    "reshape",
    "unsafe_view",
    "transpose",
    "permute",
    "t",
    "expand",
    "slice",
    "select",
    "split",
    "split_with_sizes",
    "unbind",
    "squeeze",
    "unsqueeze",
    "as_strided",
    "reshape_alias",
    "narrow",
    "alias",
    "flatten",
    "diagonal",
    "unfold",
    "chunk",
}
_CHECKPOINT = "CheckpointFunctionBackward"


def stem(op: str) -> str:
    """The operation behind a node's name, as PyTorch spells it.

    >>> stem("AddmmBackward0"), stem("NativeLayerNormBackward0"), stem("UnsafeViewBackward0")
    ('addmm', 'native_layer_norm', 'unsafe_view')
    """
    name = re.sub(r"Backward(_?\d*)?$", "", op.rpartition("::")[2])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def label(op: str, is_custom: bool) -> str:
    """What a person calls the node: the class of a hand-written function, else the operation."""
    return re.sub(r"Backward$", "", op) if is_custom else canonical(op)


@cache
def flags(op: str) -> tuple[str, ...]:
    """What kind of node it is, in the data model's words."""
    name = stem(op)
    found = []
    if any(part in name for part in _FUSED):
        found.append("fused")
    if name.endswith("_norm") and "linalg" not in name and "vector" not in name:
        found.append("normalisation")
    if name in _VIEWS:
        found.append("view")
    if canonical(op) in FLAT:
        found.append("flat")
    if op == _CHECKPOINT:
        found.append("checkpoint")
    return tuple(found)


def is_permutation(op: str) -> bool:
    """Whether the operation shows the same elements in another order or shape."""
    return stem(op) in ("t", "transpose", "permute", "view", "reshape", "unsafe_view", "alias")


@cache
def rearranges(op: str) -> bool:
    """Whether the gradient that the operation sends is the one it was given, in another shape."""
    return is_permutation(op) or stem(op) in ("reshape_alias", "squeeze", "unsqueeze")


def is_cast(op: str) -> bool:
    """Whether the operation changes the dtype or device and nothing else."""
    return stem(op) in ("to_copy", "to", "_to_copy")


@cache
def passes_through(op: str) -> bool:
    """Whether the operation may hand on the very gradient that it was given, or a view of it."""
    return rearranges(op) or stem(op) in ("expand", "flatten", "add", "sub", "clone")


@cache
def argument_names(op: str) -> tuple[str, ...]:
    """The names of the tensor arguments, from PyTorch's own schema of the operation.

    >>> argument_names("AddmmBackward0"), argument_names("ConvolutionBackward0")
    (('self', 'mat1', 'mat2'), ('input', 'weight', 'bias'))
    """
    name = stem(op)
    for spelling in (name, f"_{name}", name.removeprefix("s_")):
        try:
            schemas = torch._C._jit_get_schemas_for_operator(f"aten::{spelling}")
        except RuntimeError:
            continue
        for schema in schemas:
            tensors = [item.name for item in schema.arguments if "Tensor" in str(item.type)]
            if tensors and "List[Tensor]" not in str(schema.arguments[0].type):
                return tuple(tensors)
    return ()


def argument_name(op: str, position: int) -> str:
    """The name of one argument; ``x2`` where PyTorch has none for it."""
    known = argument_names(op)
    return known[position] if position < len(known) else f"x{position}"


def reduced_axes(op: str, consumer: list[int], source: list[int]) -> list[int]:
    """The axes of the consumer's output that were summed to fit the source's shape."""
    if consumer == source or (canonical(op) not in ELEMENTWISE and stem(op) != "expand"):
        return []
    extra = len(consumer) - len(source)
    if extra < 0:
        return []
    stretched = [
        extra + axis
        for axis, length in enumerate(source)
        if length == 1 and consumer[extra + axis] != 1
    ]
    return [*range(extra), *stretched]


@cache
def formula(op: str) -> Formula | None:
    """The local rule, where localgrad declares the same operation."""
    from localgrad.ledger.describe import formula_of
    from localgrad.local.operation import Operation

    name = canonical(op)
    for known in Operation.registry:
        if canonical(known.name) == name:
            return formula_of(known)
    return None
