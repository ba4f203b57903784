"""`shapelode fsck`: an independent check of a state directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app

if TYPE_CHECKING:
    from ops.fsck import FsckReport


@app.command()
def fsck(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Check that nothing is lost, stored twice or out of step; exits with 1 if something is.

    It reads the store, the FAISS index and the library with code of its own and changes nothing, so it may run beside
    a daemon. Notes are about what mends itself.

    Examples:

      shapelode fsck --state library

      shapelode fsck --json | jq .findings
    """
    from rich.console import Console

    from daemon.cli.output import print_json
    from ops.fsck import check_library

    with Console(stderr=True).status("checking") as progress:
        report = check_library(state, lambda name: progress.update(f"checking {name}"))
    if as_json:
        print_json(report)
    else:
        _tell(report)
    if not report.clean:
        raise typer.Exit(1)


def _tell(report: FsckReport) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    for finding in report.findings:
        color = "red" if finding.severity == "error" else "yellow"
        console.print(f"[{color}]{finding.severity}[/{color}]  {finding.check}: {escape(finding.what)}")
        console.print(f"       [dim]{escape(finding.todo)}[/dim]")
    more = sum(report.counts.values()) - len(report.findings)
    if more > 0:
        console.print(f"and {more} more findings")
    looked = f"{report.records['samples']:,} images, {report.records['clusters']:,} clusters"
    looked += f" and {report.records['shapes']:,} versions of shapes, {len(report.checks)} checks"
    verdict = "[green]clean[/green]" if report.clean else "[red]damaged[/red]"
    console.print(f"{escape(report.state)} is {verdict}: {looked}")
