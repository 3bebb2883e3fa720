"""The operations: declarations, a file per family."""

from localgrad.ops.activation import *  # noqa: F403
from localgrad.ops.along_axis import *  # noqa: F403
from localgrad.ops.arithmetic import *  # noqa: F403
from localgrad.ops.comparison import *  # noqa: F403
from localgrad.ops.complex import *  # noqa: F403
from localgrad.ops.creation import *  # noqa: F403
from localgrad.ops.cumulative import *  # noqa: F403
from localgrad.ops.exponential import *  # noqa: F403
from localgrad.ops.gather import scatter_add, take, take_along_axis  # noqa: F401
from localgrad.ops.in_place import assign, update  # noqa: F401
from localgrad.ops.indexing import getitem  # noqa: F401
from localgrad.ops.norms import vector_norm  # noqa: F401
from localgrad.ops.powers import *  # noqa: F403
from localgrad.ops.products import dot, einsum, matmul, outer, tensordot, vecdot  # noqa: F401
from localgrad.ops.reductions import *  # noqa: F403
from localgrad.ops.rounding import *  # noqa: F403
from localgrad.ops.selection import *  # noqa: F403
from localgrad.ops.shape import *  # noqa: F403
from localgrad.ops.sorting import *  # noqa: F403
from localgrad.ops.trigonometric import *  # noqa: F403
