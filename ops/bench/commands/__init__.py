"""Commands of the benchmarks, by subject."""
