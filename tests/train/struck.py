"""`localgrad …` in a process that a signal strikes at its n-th event.

    python -m tests.train.struck SIGNAL N ARGUMENTS…

Events are the moments at which a run's files may be half-way: every step of training, every line
of metrics, every flush to the disk, and just before and just after a file takes its place. A
checkpoint is written after every step; the report, which has tests of its own, is left out.
"""

import functools
import os
import signal
import sys

from localgrad import cli
from localgrad.train import command, inspection, loop
from localgrad.train.metrics import Metrics
from localgrad.train.training import Training


def main() -> None:
    number, moment = getattr(signal, sys.argv[1]), int(sys.argv[2])
    events = 0

    def event() -> None:
        nonlocal events
        events += 1
        if events == moment:
            os.kill(os.getpid(), number)

    def watched(function, after=False):
        @functools.wraps(function)
        def call(*args, **kwargs):
            event()
            result = function(*args, **kwargs)
            if after:
                event()
            return result

        return call

    Training.advance = watched(Training.advance)
    Metrics.add = watched(Metrics.add)
    os.fsync = watched(os.fsync)
    os.replace = watched(os.replace, after=True)
    inspection.save_report = lambda training: None
    command.train = functools.partial(loop.train, every=0.0)
    sys.argv = ["localgrad", *sys.argv[3:]]
    cli.main()


if __name__ == "__main__":
    main()
