"""Random kills, one after another, over one stream; each drawn from the seed and its number, so a campaign resumes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from ops.bench.fault_table import FaultRow, FaultSection
from ops.bench.kills.trial import Trial, wrong
from ops.errors import StateError
from ops.faults import POINTS
from ops.fsck import compare_states

AT_RANDOM = "at a random moment"
END = "end of the stream"
Tell = Callable[[str], None]


class Target(Protocol):
    """What is killed."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def state(self) -> Path:
        """The state it works on."""

    @property
    def reference(self) -> Path:
        """The state of an uninterrupted run."""

    @property
    def points(self) -> Sequence[str]:
        """Named points it passes."""

    @property
    def same_shapes(self) -> bool:
        """Versions of shapes have to be those of the uninterrupted run too."""

    @property
    def facts(self) -> Sequence[str]:
        """What it is and what it is given, one sentence each."""

    def prepare(self) -> Trial:
        """Makes the stream and mines it without interruption."""

    def kill(self, random: np.random.Generator) -> tuple[str, Trial]:
        """Starts it once with a kill drawn at random; tells where the kill was to be."""

    def finish(self) -> Trial:
        """Starts it once and lets it mine the stream to its end."""


class Progress(msgspec.Struct):
    """What a campaign has done so far; kept in a file, so that it goes on where it was interrupted.

    Attributes:
        seed: of the campaign.
        trials: starts so far, the next one's number.
        fired: kills by where they happened.
        losses: what was lost, by the same.
        passes: times the stream was mined to its end.
    """

    seed: int
    trials: int = 0
    fired: dict[str, int] = {}
    losses: dict[str, list[str]] = {}
    passes: int = 0

    @property
    def kills(self) -> int:
        """Kills so far."""
        return sum(self.fired.values())

    @property
    def lost(self) -> int:
        """Losses so far."""
        return sum(map(len, self.losses.values()))

    def record(self, where: str, trial: Trial) -> None:
        """Adds the outcome of a start."""
        self.fired[where] = self.fired.get(where, 0) + trial.fired
        self.lose(where, trial.losses)

    def lose(self, where: str, losses: Sequence[str]) -> None:
        """Adds what was lost."""
        if losses:
            self.losses[where] = [*self.losses.get(where, []), *losses]


def run_campaign(target: Target, file: Path, kills: int, seed: int, tell: Tell) -> Progress:
    """Kills until it has happened often enough, then lets the stream end; what an earlier call did is kept.

    Args:
        target: what is killed.
        file: where progress is kept.
        kills: how many.
        seed: draws all of them.
        tell: is told of each.

    Raises:
        StateError: the file is of a campaign of another seed, or the uninterrupted run fails itself.
    """
    progress = msgspec.json.decode(file.read_bytes(), type=Progress) if file.exists() else Progress(seed)
    if progress.seed != seed:
        raise StateError(f"{file} is of a campaign of seed {progress.seed}; give that one, or another --work")
    tell(f"{target.title}, seed {seed}: {progress.kills} of {kills} done; first an uninterrupted run")
    whole = target.prepare()
    if whole.exit_code or wrong(target.reference):
        raise StateError(f"the uninterrupted run failed: {[whole.exit_code, *wrong(target.reference)]}")
    while progress.kills < kills:
        where, trial = target.kill(np.random.default_rng([seed, progress.trials]))
        _judge(progress, target, where, trial)
        file.write_bytes(msgspec.json.encode(progress))
        tell(f"{progress.kills} of {kills} kills, {progress.lost} losses, {progress.passes} passes; last {where}")
    if target.state.exists():
        _end(progress, target, target.finish())
        file.write_bytes(msgspec.json.encode(progress))
    return progress


def _judge(progress: Progress, target: Target, where: str, trial: Trial) -> None:
    progress.trials += 1
    progress.record(where, trial)
    if trial.exit_code == 0:
        _end(progress, target, trial)
    elif not trial.fired:
        progress.lose(where, [f"start {progress.trials} ended with code {trial.exit_code} though nothing was killed"])


def _end(progress: Progress, target: Target, trial: Trial) -> None:
    """The stream has ended: the state has to be that of the uninterrupted run."""
    failed = [f"it ended with code {trial.exit_code}"] if trial.exit_code else []
    differences = compare_states(target.reference, target.state, shapes=target.same_shapes)
    progress.lose(END, [*failed, *trial.losses, *differences])
    progress.passes += 1
    shutil.rmtree(target.state)


def section(target: Target, progress: Progress, command: str) -> FaultSection:
    """A campaign as a section of the docs."""
    happened = [point for point in target.points if progress.fired.get(point) or progress.losses.get(point)]
    places = [(point, f"`{point}`: {POINTS[point]}") for point in happened]
    places += [(AT_RANDOM, AT_RANDOM), (END, f"{END}, against the uninterrupted run")]
    rows = [
        FaultRow("none" if place == END else "SIGKILL", text, progress.fired.get(place, 0), _lost(progress, place))
        for place, text in places
    ]
    counts = f"{progress.kills} kills in {progress.trials} starts, seed {progress.seed}; the stream was mined to its "
    facts = [*target.facts, f"{counts}end {progress.passes} times, starting anew each time."]
    if missed := [f"`{point}`" for point in target.points if point not in happened]:
        facts.append(f"No kill came at {', '.join(missed)}.")
    return FaultSection(target.title, command, facts, rows)


def _lost(progress: Progress, place: str) -> int:
    return len(progress.losses.get(place, []))
