"""The entry point: every expected failure is one line and an exit code, never a traceback."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from typer.main import get_command

from daemon.cli.app import app
from ops.errors import ShapelodeError

_INTERRUPTED = 130
_BROKEN_PIPE = 141
_COMMANDS = (
    "run", "status", "library", "query", "similar", "images", "correspond", "keypoints", "export", "edit", "changes",
    "serve", "fsck", "backup", "config", "doctor", "plan",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Runs one command.

    Returns:
        The exit code: that of the error, 2 for a wrong call, 130 when interrupted.
    """
    load_commands()
    try:
        code = get_command(app).main(list(arguments) or ["--help"], prog_name="shapelode", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ShapelodeError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def load_commands() -> None:
    """Registers every command with the app."""
    for name in _COMMANDS:
        importlib.import_module(f"daemon.cli.{name}")


def _fail(message: str, code: int) -> int:
    if message:
        sys.stderr.write(f"shapelode: error: {' '.join(message.split())}\n")
    return code
