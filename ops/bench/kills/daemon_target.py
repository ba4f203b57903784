"""The whole daemon with Ray, killed at any step or moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from index.lock import FileLock
from ops.bench.kills.campaign import AT_RANDOM
from ops.bench.kills.trial import Trial, counted, missing, wrong
from ops.bench.kills.writer_target import ELSEWHERE
from ops.errors import StateBusyError
from ops.faults import POINTS, Fault, Plan, fired
from ops.synth.shards import write_shards

_SHAPES, _VIEWS, _PER_SHARD = 4, 30, 20
_SETTINGS = (
    "stream.batch_size=4", "recon.min_views=6", "recon.max_views=8", "recon.backoff_s=0.5", "store.index_every=2",
    "recon.effort=draft", "recon.hand_back=false", "recon.workers=1",
)  # fmt: skip
_TIMED_SHARE = 0.2
_OWN_SHARE = 0.5  # of the others, at points that the writer's campaign does not pass
_LATEST_S = 30.0
_MOST_REACHES = 2
_HUNG_S = 600.0
_WRITER_ENDS_S = 60.0


class DaemonTarget:
    """``shapelode run`` with all of its actors and the embedded backbone."""

    title = "Kills of the daemon"
    points = tuple(POINTS)
    same_shapes = False
    facts = (
        "`shapelode run` with Ray, the embedded backbone and real reconstructions; a kill takes the daemon and the "
        "actor that has reached the point, at the same moment.",
        f"One procedural crawl of {_SHAPES * _VIEWS} photos in tars of {_PER_SHARD}, 4 a batch.",
        "After each kill: the checker finds nothing, and nothing stored before is missing. At the end of the stream: "
        "images, vectors, groups, rejects and cursors equal those of the uninterrupted run; which versions a shape "
        "went through depends on when its reconstructions end.",
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state, self.reference = folder / "state", folder / "reference"
        self._crawl = folder / "crawl" / "shards"

    def prepare(self) -> Trial:
        """Renders the crawl, once, and mines it without interruption."""
        if not self._crawl.exists():
            half = self._folder / "crawl.half"  # so that a crawl that is there is whole
            shutil.rmtree(half, ignore_errors=True)
            write_shards(half, _SHAPES, _VIEWS, seed=3, per_shard=_PER_SHARD, size=192)
            half.rename(self._crawl.parent)
        return self._run(self.reference, None, None, "--set", "recon.enabled=false")

    def kill(self, random: np.random.Generator) -> tuple[str, Trial]:
        """One start with a kill at a random point or moment."""
        if random.random() < _TIMED_SHARE:
            return AT_RANDOM, self._run(self.state, None, float(random.uniform(0, _LATEST_S)))
        drawn_from = ELSEWHERE if random.random() < _OWN_SHARE else self.points
        point = drawn_from[random.integers(len(drawn_from))]
        once = point.startswith(("open.", "reject.", "settle.", "recon.", "publish.", "fail."))
        fault = Fault(point, nth=1 if once else int(random.integers(1, _MOST_REACHES + 1)), victims=(self._lock(),))
        # A reconstruction has to fail for its failure to be recorded.
        causes = (Fault("recon.before", "memory_error", times=99),) if point.startswith("fail.") else ()
        return point, self._run(self.state, Plan(str(self._folder / "fired.jsonl"), (fault, *causes)), None)

    def finish(self) -> Trial:
        """One start without a kill."""
        return self._run(self.state, None, None)

    def _lock(self) -> str:
        return str(self.state / "daemon.lock")

    def _run(self, state: Path, plan: Plan | None, kill_after_s: float | None, *options: str) -> Trial:
        (self._folder / "fired.jsonl").unlink(missing_ok=True)
        before = counted(state)
        settings = [part for setting in _SETTINGS for part in ("--set", setting)]
        command = [sys.executable, "-m", "daemon.cli", "run", "--shards", str(self._crawl), "--shards", "pipe:cat x"]
        command += ["--state", str(state), "--no-api", "--no-metrics", "--json", *settings, *options]
        with open(self._folder / "daemon.log", "ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | (plan.environment() if plan else {})
            )
            hung = self._wait(process, kill_after_s)
        killed = sum(one.action == "kill" for one in fired(self._folder / "fired.jsonl")) if plan else 0
        killed += plan is None and kill_after_s is not None and process.returncode < 0 and not hung
        self._settle(state)
        losses = [*missing(before, counted(state)), *wrong(state)]
        return Trial(process.returncode, killed, [*losses, *(["it hung"] if hung else [])])

    def _wait(self, process: subprocess.Popen[bytes], kill_after_s: float | None) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_HUNG_S if kill_after_s is None else kill_after_s)
            return False
        process.kill()
        process.wait()
        return kill_after_s is None

    def _settle(self, state: Path) -> None:
        """Waits until a writer that outlived its daemon has ended too."""
        if state.exists():
            with contextlib.suppress(StateBusyError):
                FileLock(state / "writer.lock", wait_s=_WRITER_ENDS_S).release()
