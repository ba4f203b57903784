"""Benchmarks: measures against truth, each beside its baselines in the same run."""
