"""`python -m localgrad.bench`: the same as `localgrad bench`."""

from __future__ import annotations

import argparse
from pathlib import Path

from localgrad.bench import main
from localgrad.bench.workload import BUILT_IN

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m localgrad.bench", description=main.__doc__)
    parser.add_argument("workloads", nargs="*", help=", ".join(BUILT_IN) + ", or a file *.py")
    parser.add_argument("--against", default="torch,jax", help="packages, by commas")
    parser.add_argument("--torch", action="store_true", help="ledger: of PyTorch models")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument("--save", type=Path, help="JSON file for the results")
    given = parser.parse_args()
    main(
        given.workloads,
        [package for package in given.against.split(",") if package],
        torch=given.torch,
        rounds=given.rounds,
        seconds=given.seconds,
        save=given.save,
    )
