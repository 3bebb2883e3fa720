"""How arithmetic runs: `reference` (NumPy, complete, the oracle) and `cpu` (generated kernels)."""
