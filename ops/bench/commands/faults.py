"""What breaks, and what is lost by it."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins
from rich.console import Console

from ops.bench import fuzz as fuzz_benchmark
from ops.bench import soak as soak_benchmark
from ops.bench.commands.options import WORK, Json, app, show
from ops.bench.fault_table import write_section
from ops.bench.kills.command import run_kills
from ops.errors import StateError


@app.command(epilog="example: python -m ops.bench soak --minutes 60 --seed 1 --write docs/faults.md")
def soak(
    minutes: Annotated[
        float, typer.Option(min=0.5, help="Length; a last run to the end of the input comes on top.")
    ] = 60,
    seed: Annotated[int, typer.Option(help="Draws photos and faults.")] = 0,
    fault_s: Annotated[float, typer.Option(min=1, help="Seconds between two faults.")] = 25,
    shard_s: Annotated[float, typer.Option(min=1, help="Seconds between two shards.")] = 30,
    kills: Annotated[bool, typer.Option(help="Kill processes, too; without, each lives long enough to leak.")] = True,
    keep: Annotated[Path | None, typer.Option(help="Empty folder to keep state, shards and log in.")] = None,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose section is written anew.")] = None,
    json: Json = None,
) -> None:
    """Random faults on the running daemon: is anything lost, do memory, file handles and threads stay flat?"""
    settings = soak_benchmark.Settings(minutes, seed, fault_s=fault_s, shard_s=shard_s, kills=kills)
    tell = Console(stderr=True, soft_wrap=True).print
    tell(f"seed {seed}")
    found = soak_benchmark.run(settings, keep, tell)
    show(found.report, json)
    if write is not None:
        flags = f"--minutes {minutes:g} --seed {seed} --fault-s {fault_s:g} --shard-s {shard_s:g}"
        write_section(write, found.section(f"python -m ops.bench soak {flags}{'' if kills else ' --no-kills'}"))
    if found.losses:
        raise StateError(f"seed {seed}: {len(found.losses)} losses: {'; '.join(found.losses[:5])}")


@app.command(epilog="example: python -m ops.bench kills --kills 240 --daemon-kills 24 --write docs/faults.md")
def kills(
    work: Annotated[Path, typer.Option(help="Folder for streams, states and progress; resumes what is there.")] = WORK,
    kills: Annotated[int, typer.Option(min=0, help="Kills of the writer, which is one process without Ray.")] = 240,
    daemon_kills: Annotated[int, typer.Option(min=0, help="Kills of the whole daemon; about a minute each.")] = 24,
    seed: Annotated[int, typer.Option(help="Draws where and when.")] = 0,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose sections are written anew.")] = None,
    json: Json = None,
) -> None:
    """Random kills over one stream, judged by the independent checker; exits with 1 if anything was lost."""
    command = f"python -m ops.bench kills --kills {kills} --daemon-kills {daemon_kills} --seed {seed}"
    sections = run_kills(work, (kills, daemon_kills), seed, command, Console(stderr=True).print)
    for section in sections:
        Console().print(section.table())
        if write is not None:
            write_section(write, section)
    if json is not None:
        json.write_text(dumps([asdict(section) for section in sections], indent=2) + "\n", encoding="utf-8")
    if any(section.losses for section in sections):
        raise typer.Exit(1)


@app.command(epilog="example: python -m ops.bench fuzz --cases 12000 --seed 0 --write docs/faults.md")
def fuzz(
    cases: Annotated[int, typer.Option(min=1, help="Mutated files to read.")] = 12_000,
    seed: Annotated[int, typer.Option(help="Decides every file.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Number of the first, to run one again.")] = 0,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose section is written anew.")] = None,
    json: Json = None,
) -> None:
    """Mutated tars and images through the code that reads them; exits with 1 if one crashes, hangs or loses."""
    settings = fuzz_benchmark.Settings(cases, seed, first)
    section, losses = fuzz_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print)
    Console().print(section.table())
    if write is not None:
        write_section(write, section)
    if json is not None:
        found = {**asdict(section), "lost": [to_builtins(case) for case in losses]}
        json.write_text(dumps(found, indent=2) + "\n", encoding="utf-8")
    if losses:
        raise typer.Exit(1)
