"""`python -m localgrad.bench`: the same as `localgrad bench`."""

import sys

from localgrad.cli import app

if __name__ == "__main__":
    app(["bench", *sys.argv[1:]])
