"""Resident memory of this process, now and at its peak, in bytes.

Linux tells both and lets the peak be reset (proc(5): VmRSS, VmHWM, clear_refs). Elsewhere only the
peak since the start is known, so there the figure "now" is that peak.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of physical memory that this process holds now."""
    return _field("VmRSS")


def peak() -> int:
    """The largest `resident()` since the start, or since `reset_peak()`."""
    return _field("VmHWM")


def reset_peak() -> None:
    """Start a new peak from what is held now, where the system can."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _field(name: str) -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024
