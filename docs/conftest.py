"""The pages here are tests: every example in them runs, and prints what the page says."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("torch") else ["textbook/5_beside_pytorch.md"]
