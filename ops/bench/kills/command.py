"""Both campaigns of kills, as the benchmark runs them."""

from __future__ import annotations

from pathlib import Path

from ops.bench.fault_table import FaultSection
from ops.bench.kills.campaign import Target, Tell, run_campaign, section
from ops.bench.kills.daemon_target import DaemonTarget
from ops.bench.kills.writer_target import WriterTarget


def run_kills(work: Path, kills: tuple[int, int], seed: int, command: str, tell: Tell) -> list[FaultSection]:
    """Runs or resumes the campaigns.

    Args:
        work: folder for everything.
        kills: of the writer and of the daemon; none leaves that campaign out.
        seed: draws all kills.
        command: what is named in the docs.
        tell: is told of each kill.
    """
    targets: tuple[tuple[type[WriterTarget] | type[DaemonTarget], str, int], ...] = (
        (WriterTarget, "writer", kills[0]),
        (DaemonTarget, "daemon", kills[1]),
    )
    sections = []
    for kind, name, wanted in targets:
        if wanted:
            folder = (work / name).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            target: Target = kind(folder)
            progress = run_campaign(target, folder / "progress.json", wanted, seed, tell)
            for place, losses in progress.losses.items():
                tell(f"{name}, {place}: {losses}")
            sections.append(section(target, progress, command))
    return sections
