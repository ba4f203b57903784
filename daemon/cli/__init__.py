"""The command line, `shapelode`: verbs over a library, tables for people, JSON for programs."""

from __future__ import annotations

from daemon.cli.entry import main

__all__ = ["main"]
