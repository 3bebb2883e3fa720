"""A contender in its own process: it answers JSON lines on what was its standard output.

    imported  after the framework's import            {"rss"}
    first     after the first finished step           {}
    ready     after the steps whose losses it tells   {"losses"}
    round     for each line {"seconds": s} it is sent {"times"}
    built     for each line {"case": name} it is sent {"losses"}
    done      when its input ends                     {"peak", "steady"}

Whatever a library prints goes to standard error, which the harness keeps for its failure report.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from localgrad.bench import memory
from localgrad.bench.workload import Running, family, load

CHECKED_LOSSES = 3
"""So many first losses are compared between the contenders."""


def main(spec: str, contender: str, case: str) -> None:
    """Build one contender of a workload, then run rounds of steps as they are asked for."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(event: str, **content: Any) -> None:
        print(json.dumps({"event": event, **content}), file=replies, flush=True)

    workload = load(spec)
    importlib.import_module(family(contender))
    imported = memory.resident()
    reply("imported", rss=imported)

    running = workload.contenders[contender](case)
    losses = [_loss(running)]
    reply("first")
    losses += [_loss(running) for _ in range(CHECKED_LOSSES - 1)]
    reply("ready", losses=_known(losses))

    starting = memory.peak()
    memory.reset_peak()
    for line in sys.stdin:
        asked = json.loads(line)
        if "case" in asked:
            running = workload.contenders[contender](asked["case"])
            reply("built", losses=_known([_loss(running)]))
        else:
            reply("round", times=_times(running, asked["seconds"]))
    steady = memory.peak()
    reply("done", peak=max(starting, steady), steady=steady)


def _loss(running: Running) -> float | None:
    if running.before is not None:
        running.before()
    loss = running.step()
    return None if loss is None else float(loss)


def _known(losses: list[float | None]) -> list[float]:
    return [loss for loss in losses if loss is not None]


def _times(running: Running, seconds: float) -> list[float]:
    """Times of single steps, for so many seconds of steps and at least one."""
    clock, step, before = time.perf_counter, running.step, running.before
    times: list[float] = []
    spent = 0.0
    while not times or spent < seconds:
        if before is not None:
            before()
        start = clock()
        step()
        times.append(clock() - start)
        spent += times[-1]
    return times
