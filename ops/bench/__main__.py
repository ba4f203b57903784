"""Command line of the benchmarks: ``python -m ops.bench NAME``."""

from __future__ import annotations

import sys

from rich.console import Console

from ops.bench.commands import faults, images, service, shapes  # noqa: F401  (each adds its commands)
from ops.bench.commands.options import app
from ops.errors import ShapelodeError


def main() -> int:
    """Run one benchmark; errors are one line and the error's exit status."""
    try:
        app()
    except ShapelodeError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
