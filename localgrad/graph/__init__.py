"""The graph of a computation and the two sweeps over it. Read `node`, then `reverse`."""
