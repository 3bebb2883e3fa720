"""The operations of networks: declarations, a file per family. Loaded with `localgrad.nn`."""
