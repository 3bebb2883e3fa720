"""One pool of threads at work: PyTorch's beside ours stall each other for milliseconds a call."""

import importlib.util


def pytest_configure() -> None:
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
