"""Writes the dashboards' JSON anew."""

from __future__ import annotations

import sys

from ops.grafana.build import write

for path in write():
    sys.stdout.write(f"{path}\n")
