"""Messages of the ledger: what it was asked for, why it cannot tell, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from localgrad.errors import GraphError, LocalgradError, _at


class LedgerError(LocalgradError):
    """A ledger was asked for something that it did not record."""


def unknown_level(level: object, levels: Iterable[str], where: str) -> LedgerError:
    """A level of recording that does not exist."""
    return LedgerError(
        f"a ledger has no level {level!r}{_at(where)}; "
        f"choose one of {', '.join(map(repr, levels))}."
    )


def no_model(given: object, levels: Iterable[str], where: str) -> LedgerError:
    """What stands where a ledger's model belongs is none."""
    what = repr(given) if isinstance(given, (int, float, str)) else f"a {type(given).__name__}"
    instead = "Ledger(model), with the module that is called inside, or Ledger() without one"
    if isinstance(given, str) and given in levels:
        instead = f"Ledger(model, {given!r}) or Ledger(level={given!r})"
    elif isinstance(given, type):
        what = f"the class {given.__name__}"
        instead = f"Ledger(model), with a model that was made: model = {given.__name__}(…)"
    return LedgerError(
        f"a ledger takes a model first, and {what} is none{_at(where)}.\n  Write {instead}."
    )


def already_open() -> LedgerError:
    """A second ledger inside the first."""
    return LedgerError(
        "a ledger is open in this thread already, and a sweep can be recorded in one only.\n"
        "  Leave the outer `with lg.Ledger(...)` first, or record both parts in it."
    )


def no_trainer() -> LedgerError:
    """Hugging Face's callback was called by something else."""
    return LedgerError(
        "localgrad.torch.transformers.LedgerCallback was called by no transformers.Trainer.\n"
        "  In a loop of your own, write `with localgrad.torch.StepLog(folder, model).step(n):`."
    )


def nothing_recorded() -> LedgerError:
    """A ledger without any node."""
    return LedgerError(
        "this ledger has heard of nothing.\n"
        "  Compute the loss and call loss.backward() inside `with lg.Ledger(model) as ledger:`."
    )


def not_in_ledger(target: object, known: Iterable[str]) -> LedgerError:
    """A tensor or a name that the ledger does not hold."""
    names = list(known)
    if isinstance(target, str):
        close = get_close_matches(target, names, 3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else _some(names)
        return LedgerError(f"no parameter, node or label is called {target!r}; {hint}")
    return LedgerError(
        "this tensor took no part in what the ledger recorded.\n"
        "  It must be a parameter or a value that was computed inside the `with` block, and it "
        f"must require a gradient; {_some(names)}"
    )


def no_gradient(label: str, absence: str | None) -> LedgerError:
    """A question about the gradient of a node that received none."""
    return LedgerError(f"`{label}` received no gradient: {absence or 'no sweep reached it'}.")


def no_such_edge(edge: object, count: int) -> LedgerError:
    """An edge that is not of this ledger."""
    return LedgerError(
        f"{edge!r} is no edge of this ledger, which has {count}.\n"
        "  Pass an EdgeRecord out of ledger.edges, or its id."
    )


def values_changed(cause: Exception) -> GraphError:
    """The values of the recorded step are gone."""
    return GraphError(
        f"the values of the recorded step were changed since ({cause}).\n"
        "  Ask the ledger before optimiser.step(), which writes into the parameters."
    )


def graph_gone(cause: Exception) -> GraphError:
    """PyTorch cannot run the recorded sweep again."""
    text = str(cause).partition("\n")[0]
    if "modified by an inplace operation" in text:
        return values_changed(cause)
    return GraphError(
        f"the recorded graph cannot be swept again ({text}).\n"
        "  Record at a level that keeps it: Ledger(model, level='edges')."
    )


def too_old(what: str, needed: str, present: str) -> LedgerError:
    """PyTorch's engine cannot do this in the version that is installed."""
    return LedgerError(
        f"{what} needs PyTorch {needed} or newer; this is {present}.\n"
        f"  Everything else a ledger tells does not: pip install 'torch>={needed}' for this."
    )


def bad_index(index: object, shape: Iterable[int]) -> LedgerError:
    """An element that the target does not have."""
    return LedgerError(
        f"index {index!r} does not name one element of shape {tuple(shape)}; "
        "write one number per axis."
    )


def mixed_formats(title: str) -> LedgerError:
    """Two ledgers that have no node in common."""
    return LedgerError(
        f"the two ledgers have no node in common ({title}).\n"
        "  Compare two runs of the same model: nodes are matched by module, operation and order."
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return f"it knows {shown}{' …' if len(names) > 6 else ''}." if names else "it knows no name."
