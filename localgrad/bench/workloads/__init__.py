"""The built-in workloads, one file each, with its localgrad, PyTorch and JAX contenders.

They are part of the package, so that `localgrad bench` has them wherever it is installed.
"""
