"""`python -m daemon.cli`, the same as `shapelode`."""

from __future__ import annotations

from daemon.cli.entry import main

main()
