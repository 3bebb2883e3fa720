"""Start of a contender's process: run by its path, it hands over to `worker.main`.

PyTorch's process must not carry localgrad, nor its import time and memory. Importing
`localgrad.bench` would load it, so an empty package of that name stands in where the contender
is somebody else's.
"""

import sys
import types
from pathlib import Path

if __name__ == "__main__":
    package = Path(__file__).resolve().parents[1]
    if sys.argv.pop(1) == "without-localgrad":
        stand_in = types.ModuleType("localgrad")
        stand_in.__path__ = [str(package)]
        sys.modules["localgrad"] = stand_in
    else:
        sys.path.insert(0, str(package.parent))

    from localgrad.bench.worker import main

    main(*sys.argv[1:])
