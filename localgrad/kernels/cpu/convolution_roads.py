"""Which of three roads a member of the convolution triple takes: the cheapest by these estimates.

``PLAIN`` multiplies window by window with vectors, ``WINOGRAD`` saves multiplications at the price
of transforms, ``TILES`` multiplies window by window with the processor's matrix tiles, at the
price of splitting its operands.  The constants were fitted to measurements of all three, in
nanoseconds of one thread of a processor that has the tiles; only their ratios matter.
"""

from __future__ import annotations

from functools import lru_cache

from .convolution_tiles import walk
from .convolution_tiles_weight import walk as weight_walk
from .host import host
from .tiles import SIDE
from .window import Geometry, ceil_div
from .winograd import outputs_of
from .winograd_forward import PRODUCTS, suits

PLAIN, WINOGRAD, TILES = "plain", "winograd", "tiles"
FORWARD, TO_INPUT, TO_WEIGHT = "forward", "to input", "to weight"

_VECTOR_SUMS = 80  # multiply-adds by vectors in a nanosecond
_NARROW_SUMS = 60  # the same where a row of results is one vector
_MOVE = 0.15  # nanoseconds of bringing an element of an image to its place
_WINOGRAD_SUMS = 66  # multiply-adds in a nanosecond, interleaved with transforms
_TRANSFORM = {3: 450, 5: 200}  # of one channel of a tile to and fro, in multiply-adds
_TRANSFORM_KERNEL = 150
_STEP = 27.0  # nanoseconds of a product of whole matrix tiles, 16 x 16 x 16
_STEP_TURNED = 24.0  # the same in the weight's adjoint, whose sums are longer
_LEAST_STEP = 0.45  # how much of that a product of few rows takes
_SPLIT = 0.25  # nanoseconds of splitting an element, of tiles that may not be full
_LOAD = 0.2  # nanoseconds of bringing an element there
_LOAD_TURNED = 0.35  # the same for the weight's adjoint, which wants dy turned
_SPLIT_WEIGHT = 0.6
_FEW = 4
_START = 20_000  # nanoseconds before the first product by matrix tiles
_PREFERENCE = 0.88  # for the plain road, where others promise little


@lru_cache(maxsize=256)
def road(g: Geometry, member: str, size: int) -> str:
    """The road of one member for an element size."""
    costs = {PLAIN: _PREFERENCE * _plain(g, member, size)}
    if suits(g, size):
        costs[WINOGRAD] = _winograd(g)
    # Groups of few channels would fill tiles with zeros.
    few = g.groups > 1 and min(g.channels, g.out_channels) < g.groups * _FEW
    if size == 4 and host().tiles and not few:
        costs[TILES] = _START + _tiles(g, member)
    return min(costs, key=costs.__getitem__)


def _weights(g: Geometry) -> int:
    return g.out_channels * g.channels // g.groups * g.kernel_h * g.kernel_w


def _plain(g: Geometry, member: str, size: int) -> float:
    """Vectors are filled along the outputs, or the inputs where these are what is made."""
    lanes = host().lanes(size)
    inputs, outputs = g.channels // g.groups, g.out_channels // g.groups
    wide, deep = (inputs, outputs) if member == TO_INPUT else (outputs, inputs)
    products = g.groups * ceil_div(wide, lanes) * lanes * deep * g.kernel_h * g.kernel_w
    speed = _NARROW_SUMS if wide <= lanes else _VECTOR_SUMS
    pixels = g.batch * g.out_h * g.out_w
    moved = g.batch * g.channels * g.height * g.width
    if member == TO_WEIGHT and (g.groups > 1 or outputs not in (lanes, 2 * lanes)):
        # dy is laid out as panels of two vectors, for every group.
        moved += 4 * pixels * g.groups * ceil_div(outputs, 2 * lanes) * 2 * lanes
    return pixels * products / speed + _MOVE * moved


def _winograd(g: Geometry) -> float:
    side = outputs_of(g.kernel_h)
    kernels = g.channels * g.out_channels
    tiles = g.batch * ceil_div(g.out_h, side) * ceil_div(g.out_w, side)
    transforms = _TRANSFORM[g.kernel_h] * (g.channels + g.out_channels)
    return (tiles * (PRODUCTS * kernels + transforms) + _TRANSFORM_KERNEL * kernels) \
        / _WINOGRAD_SUMS


def _rows(count: int, whole: float) -> tuple[int, float]:
    """Tiles of so many rows, and what a product of one costs; ``whole`` is that of 16 rows."""
    tiles = ceil_div(count, SIDE)
    return tiles, whole * (_LEAST_STEP + (1 - _LEAST_STEP) * ceil_div(count, tiles) / SIDE)


def _tiles(g: Geometry, member: str) -> float:
    inputs, outputs = g.channels // g.groups, g.out_channels // g.groups
    blocks_in, blocks_out = ceil_div(inputs, SIDE), ceil_div(outputs, SIDE)
    products = g.groups * g.kernel_h * g.kernel_w * blocks_in * blocks_out
    weights = _SPLIT_WEIGHT * products * SIDE * SIDE
    if member == TO_WEIGHT:
        w, _ = weight_walk(g, 1)
        _, step = _rows(outputs, _STEP_TURNED)
        pixels, met = g.batch * w.steps * w.pitch, g.batch * g.height * w.columns
        loads = _LOAD_TURNED * (pixels * g.out_channels + met * g.channels)
        splits = _SPLIT * SIDE * g.groups * (pixels * blocks_out + met * blocks_in)
        return ceil_div(pixels, SIDE) * products * step + loads + splits + weights
    v, _ = walk(g, member == TO_INPUT, 1)
    length, lines = ceil_div(v.out_w, v.phases_w), v.steps
    if length == v.columns and v.taps == 1:
        length, lines = length * lines, 1
    across, step = _rows(length, _STEP)
    met = g.batch * v.columns * v.height * g.groups
    loads = met * (_LOAD * v.inputs + _SPLIT * SIDE * ceil_div(v.inputs, SIDE))
    return g.batch * lines * across * products * step + loads + weights
