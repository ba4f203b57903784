"""The daemon under random faults for a long time: is anything lost, do memory, file handles and threads stay flat?"""

from __future__ import annotations

from ops.bench.soak.run import Settings, run

__all__ = ["Settings", "run"]
