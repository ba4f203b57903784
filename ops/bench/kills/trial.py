"""One start of the writer, broken on purpose, and what the checker says of what it left."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ops.bench.kills.writer import Acknowledged, mine
from ops.errors import StateError
from ops.faults import Plan, arm, fired
from ops.fsck import FsckReport, check_state
from ops.fsck.raw import RawState

_POLL_S = 0.02
# A server that has imported everything forks each writer: a start then costs a fraction of a second.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["__main__", "ops.bench.kills.writer"])


@dataclass(frozen=True, slots=True)
class Trial:
    """How one start of the writer ended.

    Attributes:
        exit_code: of the process, negative for the signal that ended it.
        fired: faults that fired, a kill at a random moment among them.
        losses: what the checker found wrong, or what had been acknowledged and is missing; one a line.
    """

    exit_code: int
    fired: int
    losses: list[str]


@dataclass(frozen=True, slots=True)
class Work:
    """What the writer is given."""

    state: Path
    shards: Sequence[str]
    batch_size: int


def run_trial(work: Work, plan: Plan | None = None, kill_after_s: float | None = None) -> Trial:
    """Starts the writer once and judges the state it leaves.

    Args:
        work: the stream and the state.
        plan: faults armed in it.
        kill_after_s: SIGKILL so long after it began to write.
    """
    before = counted(work.state)
    count = len(fired(plan.log)) if plan else 0
    exit_code, acknowledged, killed = _run(work, plan, kill_after_s)
    now_fired = (len(fired(plan.log)) if plan else 0) - count + killed
    promised = Acknowledged(
        max(before.images, acknowledged.images),
        max(before.rejects, acknowledged.rejects),
        before.reconstructions + acknowledged.reconstructions,
    )
    losses = [*missing(promised, counted(work.state)), *wrong(work.state)]
    return Trial(exit_code, now_fired, losses)


def wrong(state: Path) -> list[str]:
    """Errors of the checker; none if there is no state yet."""
    try:
        report: FsckReport = check_state(state)
    except StateError:
        return []
    # Killed before it could say what it is made of: an empty store.
    empty = not any(report.records.values())
    return [] if empty else [f"{finding.check}: {finding.what}" for finding in report.errors]


def _run(work: Work, plan: Plan | None, kill_after_s: float | None) -> tuple[int, Acknowledged, bool]:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_child, args=(work, plan, theirs))
    process.start()
    theirs.close()
    heard = Acknowledged()
    deadline = math.inf
    killed = False
    with contextlib.suppress(EOFError), ours:  # the pipe ends with its process
        while True:
            if ours.poll(_POLL_S):
                heard = ours.recv()
                deadline = min(deadline, time.monotonic() + kill_after_s) if kill_after_s is not None else math.inf
            if time.monotonic() >= deadline and not killed:
                process.kill()
                killed = True
    process.join()
    code = process.exitcode or 0
    process.close()
    return code, heard, killed and code == -signal.SIGKILL


def _child(work: Work, plan: Plan | None, theirs: Connection) -> None:
    arm(plan)
    tell: Callable[[Acknowledged], None] = theirs.send
    mine(work.state, work.shards, work.batch_size, tell)


def counted(state: Path) -> Acknowledged:
    """What a state holds; nothing if there is none yet."""
    try:
        with RawState(state) as raw:
            attempts = sum(record.get("attempts", 0) for _, record in raw.records("clusters"))
            return Acknowledged(raw.count("samples") + raw.count("deleted"), raw.count("rejects"), attempts)
    except StateError:
        return Acknowledged()


def missing(promised: Acknowledged, found: Acknowledged) -> list[str]:
    """What was promised to be durable and is not there."""
    return [
        f"{least - getattr(found, name)} acknowledged {name} are missing"
        for name, least in asdict(promised).items()
        if getattr(found, name) < least
    ]
