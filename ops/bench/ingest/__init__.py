"""Ingest at the limit: the daemon's stream beside the bare encoder and beside Ray Data, in turns on one machine."""

from __future__ import annotations

from ops.bench.ingest.turns import SHIPPED, Settings, run

__all__ = ["SHIPPED", "Settings", "run"]
