"""Mutated tars and images through the code that reads them: none may crash, hang or cost what lies before it."""

from ops.bench.fuzz.campaign import Settings, run

__all__ = ["Settings", "run"]
