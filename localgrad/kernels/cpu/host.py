"""What this machine's processor offers: vector width and register block.

The kernels are generated, not written per machine: every one of them asks here how many bytes a
vector register holds and how many registers there are.  ``LOCALGRAD_VECTOR_BITS`` (128, 256 or
512) forces a width, which is how the narrower paths are tested on a wide machine.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from functools import cache
from typing import NamedTuple

FORCED = os.environ.get("LOCALGRAD_VECTOR_BITS", "")

# A forced width must not fill the disk cache that ordinary runs read: Numba's cache key knows the
# processor, but not this variable.
CACHE = FORCED == ""

LINE = 64  # bytes in a cache line; every packed buffer starts on one


class Host(NamedTuple):
    """The register file as the generators see it."""

    bits: int  #: width of one vector register
    rows: int  #: rows of the register block of a matrix product
    vectors: int  #: vectors per row of that block
    tiles: bool  #: whether there are matrix tiles, and the system lets us use them

    def lanes(self, itemsize: int) -> int:
        """How many elements of ``itemsize`` bytes one vector holds."""
        return self.bits // 8 // itemsize


# rows x vectors accumulators, plus `vectors` operands and one broadcast, fit the register file:
# 32 registers on AVX-512 and NEON, 16 on AVX2 and SSE.
_BLOCKS = {512: (12, 2), 256: (6, 2), 128: (6, 2)}


def _tiles_permitted() -> bool:
    """Ask Linux for the tile registers, which a process has to do before its first use of them."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    arch_prctl, request, tile_data = 158, 0x1023, 18  # asm/unistd_64.h, asm/prctl.h
    return ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0


@cache
def host() -> Host:
    """The host's vector width and register block, from LLVM's view of the processor."""
    import llvmlite.binding as llvm

    if FORCED:
        bits = int(FORCED)
        if bits not in _BLOCKS:
            choices = ", ".join(str(known) for known in sorted(_BLOCKS))
            raise ValueError(f"LOCALGRAD_VECTOR_BITS={FORCED}: the widths are {choices}")
        return Host(bits, *_BLOCKS[bits], tiles=False)
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        tiles = features.get("amx-bf16", False) and _tiles_permitted()
        return Host(512, *_BLOCKS[512], tiles)
    if features.get("avx2") and features.get("fma"):
        return Host(256, *_BLOCKS[256], tiles=False)
    if features.get("neon"):
        return Host(128, 12, 2, tiles=False)
    return Host(128, *_BLOCKS[128], tiles=False)
