"""The operations: declarations, a file per family."""

from localgrad.ops.arithmetic import *  # noqa: F403
from localgrad.ops.in_place import assign, update  # noqa: F401
from localgrad.ops.indexing import getitem  # noqa: F401
