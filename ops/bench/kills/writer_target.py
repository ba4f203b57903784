"""The writer without Ray, killed at any step or moment: a start costs a tenth of a second, so there can be many."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ops.bench.kills.campaign import AT_RANDOM
from ops.bench.kills.stream import write_stream
from ops.bench.kills.trial import Trial, Work, run_trial
from ops.faults import POINTS, Fault, Plan

ELSEWHERE = ("recon.before", "recon.checkpoint", "recon.output")
"""Points that lie in the daemon's actors."""
_BATCH_SIZE = 6
_TIMED_SHARE = 0.25
_LATEST_S = 1.0
_MOST_REACHES = 3
_FACTS = (
    "One process without Ray reads, embeds with a stand-in encoder, commits, clusters, indexes and publishes "
    "made-up shapes, through the code that the daemon's actors call.",
    "One stream whose last tar is torn, with broken images, empty samples, repeated keys and photos of two objects in "
    "all of them.",
    "After each kill: the checker finds nothing, and no image, reject or reconstruction that was acknowledged is "
    "missing. At the end of the stream: images, vectors, groups, rejects, cursors and versions of shapes equal "
    "those of the uninterrupted run.",
    "A kill leaves the page cache in place: that a power loss costs nothing rests on LMDB's order of writes and is "
    "not tried here.",
)


class WriterTarget:
    """See `ops.bench.kills.writer`."""

    title = "Kills of the writer"
    points = tuple(point for point in POINTS if point not in ELSEWHERE)
    same_shapes = True

    def __init__(self, folder: Path, shards: int = 10, per_shard: int = 240) -> None:
        """Sets up without starting anything.

        Args:
            folder: where the stream and the states are.
            shards: tars of the stream.
            per_shard: samples a tar.
        """
        self._folder = folder
        self._size = (shards, per_shard)
        self.state, self.reference = folder / "state", folder / "reference"
        self.facts = (*_FACTS, f"The stream: {shards * per_shard} samples in {shards} tars, {_BATCH_SIZE} a batch.")
        self._shards: list[str] = []

    def prepare(self) -> Trial:
        """Writes the stream and mines it without interruption."""
        self._shards = write_stream(self._folder / "shards", *self._size)
        return run_trial(self._work(self.reference))

    def kill(self, random: np.random.Generator) -> tuple[str, Trial]:
        """One start with a kill at a random point or moment."""
        if random.random() < _TIMED_SHARE:
            return AT_RANDOM, run_trial(self._work(self.state), kill_after_s=float(random.uniform(0, _LATEST_S)))
        point = self.points[random.integers(len(self.points))]
        once = point.startswith(("open.", "reject.", "settle."))
        nth = 1 if once else int(random.integers(1, _MOST_REACHES + 1))
        log = self._folder / "fired.jsonl"
        log.unlink(missing_ok=True)
        return point, run_trial(self._work(self.state), Plan(str(log), (Fault(point, nth=nth),)))

    def finish(self) -> Trial:
        """One start without a kill."""
        return run_trial(self._work(self.state))

    def _work(self, state: Path) -> Work:
        return Work(state, self._shards, _BATCH_SIZE)
