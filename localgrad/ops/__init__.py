"""The operations: declarations, a file per family."""

from localgrad.ops.arithmetic import *  # noqa: F403
from localgrad.ops.in_place import assign, update  # noqa: F401
from localgrad.ops.indexing import getitem  # noqa: F401
from localgrad.ops.creation import *  # noqa: F403
from localgrad.ops.products import dot, einsum, matmul, outer, tensordot, vecdot  # noqa: F401
from localgrad.ops.shape import *  # noqa: F403
