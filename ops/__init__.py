"""How Shapelode is watched and kept: errors, metrics, logs, benchmarks, procedural data."""
