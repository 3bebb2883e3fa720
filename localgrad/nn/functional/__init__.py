"""The functions behind the modules, with PyTorch's names and argument order."""

from localgrad.nn.functional.activations import *  # noqa: F403
from localgrad.nn.functional.attention import *  # noqa: F403
from localgrad.nn.functional.convolution import *  # noqa: F403
from localgrad.nn.functional.dense import *  # noqa: F403
from localgrad.nn.functional.distances import *  # noqa: F403
from localgrad.nn.functional.losses import *  # noqa: F403
from localgrad.nn.functional.margins import *  # noqa: F403
from localgrad.nn.functional.normalisation import *  # noqa: F403
from localgrad.nn.functional.padding import *  # noqa: F403
from localgrad.nn.functional.patches import *  # noqa: F403
from localgrad.nn.functional.pooling import *  # noqa: F403
from localgrad.nn.functional.resampling import *  # noqa: F403
