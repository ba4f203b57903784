"""Commands that care for a state directory: backup, restore, migrate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app

if TYPE_CHECKING:
    from daemon.backup import Copied, Tell


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write a consistent copy of the library, beside a running daemon or without one.

    The copy is compacted, checked, and has its name only once it is whole. Images and previews are in it; the search
    index is not, `restore` builds it.

    Examples:

      shapelode backup /backups/monday --state library

      shapelode backup backup-$(date +%F) --json
    """
    from daemon.backup import backup as write_backup

    with _progress() as tell:
        copied = write_backup(state, target, tell)
    _tell(copied, as_json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `shapelode backup` wrote.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Make a state directory from a backup; it must be new or empty.

    The backup's checksum is verified, the search index is built, and the checker has to pass before the state has its
    name. `shapelode run` then goes on where the backup was taken.

    Examples:

      shapelode restore /backups/monday --state library-2
    """
    from daemon.backup import restore as make_state

    with _progress() as tell:
        copied = make_state(source, state, tell)
    _tell(copied, as_json)


@app.command()
def migrate(state: StateOption = DEFAULT_STATE) -> None:
    """Bring the library of an older version up to date; `shapelode run` does so by itself.

    It is done as a whole or not at all. A backup before it is what lets you go back to the older version.

    Examples:

      shapelode migrate --state library
    """
    from index.lock import FileLock
    from index.migrations import migrate as bring_up_to_date
    from index.store import SCHEMA, Store

    Store(state, readonly=True).close()  # a mistyped directory must not be made
    with FileLock(state / "daemon.lock"), FileLock(state / "writer.lock"):
        store = Store(state, readonly=False)
        try:
            before = bring_up_to_date(store)
        finally:
            store.close()
    done = "is up to date" if before is None else f"was brought from schema {before} to {SCHEMA}"
    typer.echo(f"{state} {done}")


def _tell(copied: Copied, as_json: bool) -> None:
    from daemon.cli.output import data_size, print_json

    if as_json:
        print_json(copied)
    else:
        typer.echo(f"{copied.target}: {copied.images:,} images, {data_size(copied.bytes)}, checked")


@contextmanager
def _progress() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<9}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)

        def tell(step: str, done: int, total: int) -> None:
            shown.update(task, description=step, completed=done, total=total)

        yield tell
