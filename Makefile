# make run    trains the digits classifier, from nothing but Python 3.11 or newer
# make test   lints, checks types, runs every test
# make clean  removes the environment and what was trained

# The first Python on this machine that is new enough; override with `make PYTHON=...`.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
RECIPE ?= digits

.PHONY: run test clean

run: .venv/run.stamp
	$(BIN)/localgrad train $(RECIPE)

test: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

clean:
	rm -rf .venv runs

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "localgrad needs Python 3.11 or newer, with venv and pip;" \
		"name it: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/run.stamp: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

# PyTorch first and by itself: its version is pinned, and nothing else may choose another.
.venv/dev.stamp: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/run.stamp
