"""Command line: ``python -m ops.synth OUT --shapes 8 --views 30 --seed 0``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console

from ops.errors import ShapelodeError
from ops.synth.shards import write_shards


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the shards; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        counts = (options.shapes, options.views, options.seed, options.per_shard, options.size)
        shards = write_shards(options.out, *counts)
    except (ShapelodeError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False)
        return getattr(error, "exit_code", 1)
    count = options.shapes * options.views
    Console(soft_wrap=True).print(f"{count} images of {options.shapes} shapes in {shards}; truth beside it")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.synth",
        description="Render procedural chairs, tables, lamps and mugs as a crawl of webdataset shards.",
        epilog="example: python -m ops.synth demo-data --shapes 8 --views 30 --seed 0\n"
        "writes demo-data/shards/*.tar (no labels) and demo-data/truth/ (for measuring only)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT", help="directory to write to")
    parser.add_argument("--shapes", type=int, default=8, help="number of different objects (default 8)")
    parser.add_argument("--views", type=int, default=30, help="photos of each object (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="draws everything (default 0)")
    parser.add_argument("--per-shard", type=int, default=100, help="images a tar (default 100)")
    parser.add_argument("--size", type=int, default=256, help="image side in pixels (default 256)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
