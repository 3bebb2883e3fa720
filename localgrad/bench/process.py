"""A contender's process as the harness sees it: started, asked for rounds, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PATIENCE = 300.0
"""Seconds without an answer after which a contender counts as stuck."""

_BOOT = Path(__file__).with_name("boot.py")
_ERROR_LINE = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit)\b")


class ContenderFailed(Exception):
    """The process ended, or fell silent, before it answered; the message is its last words."""


class ContenderProcess:
    """One contender, from `Popen` to the end of its process.

    caches: a folder for everything that the frameworks compile and keep on disk. An empty one
    makes a cold start; None leaves them where they are.
    """

    def __init__(
        self, spec: str, contender: str, case: str, *, with_localgrad: bool, caches: Path | None
    ) -> None:
        environment = dict(os.environ)
        if caches is not None:
            environment["NUMBA_CACHE_DIR"] = str(caches / "numba")
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(caches / "inductor")
        standing = "with-localgrad" if with_localgrad else "without-localgrad"
        command = [sys.executable, "-P", str(_BOOT), standing, spec, contender, case]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `kill`)
        self.imported = 0
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def expect(self, event: str) -> dict[str, Any]:
        """The next answer, which must be this event; raises ContenderFailed otherwise."""
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise ContenderFailed(f"no answer in {PATIENCE:.0f} s") from None
        if not line:
            self._process.wait()
            raise ContenderFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if answer["event"] != event:
            raise ContenderFailed(f"answered {answer['event']!r} where {event!r} was due")
        return answer

    def first_step(self) -> float:
        """Seconds from the start of the process to the end of its first step.

        Sets `imported`, the bytes it held once its framework was imported.
        """
        self.imported = self.expect("imported")["rss"]
        self.expect("first")
        return time.perf_counter() - self._started

    def round(self, seconds: float) -> list[float]:
        """Have it run steps for so long; their times."""
        times: list[float] = self._ask("round", seconds=seconds)["times"]
        return times

    def turn_to(self, case: str) -> list[float]:
        """Have it build another case of its workload; the loss of its first step, if any."""
        losses: list[float] = self._ask("built", case=case)["losses"]
        return losses

    def finish(self) -> dict[str, Any]:
        """Tell it that no round follows; its last answer, with the memory it took."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.expect("done")

    def kill(self) -> None:
        """End the process at once, whatever it does, and let go of its files."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            assert file is not None
            with contextlib.suppress(BrokenPipeError):
                file.close()

    def _ask(self, event: str, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self._process.wait()
            raise ContenderFailed(self._last_words()) from None
        return self.expect(event)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        errors = [line for line in lines if _ERROR_LINE.match(line)]
        words = (errors or lines or [f"exit status {self._process.returncode}"])[-1]
        return words[:300]
