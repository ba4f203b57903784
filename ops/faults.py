"""Named places where a test can break the process; nothing happens there unless the environment arms one.

``SHAPELODE_FAULTS`` holds a `Plan` as JSON. It is read once, on import, by every process of a run, Ray's actors among
them, so that a fault fires in whichever process reaches its point.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Literal

import msgspec

from ops.clock import set_clock
from ops.errors import ConfigError

ENV = "SHAPELODE_FAULTS"
POINTS: dict[str, str] = {
    "read.before": "before a batch is read from a tar",
    "read.after": "a batch has been read and decoded",
    "embed.before": "before a batch is embedded",
    "embed.after": "a batch has been embedded",
    "open.before": "recovery: the store is open, its partition not yet restored",
    "open.restored": "recovery: the partition is restored, the FAISS index not yet checked",
    "open.after": "recovery: everything is in step",
    "commit.before": "a batch's transaction has begun",
    "cluster.before": "before the clusterer learns a batch",
    "cluster.after": "cluster changes are written, their images not yet",
    "commit.during": "all of a batch is written, its transaction not yet durable",
    "commit.after": "a batch is durable, nobody has heard of it",
    "settle.before": "the last repair's transaction has begun",
    "settle.during": "the last repair is written, its transaction not yet durable",
    "settle.after": "the last repair is durable, nobody has heard of it",
    "edit.before": "the transaction of an edit by a person has begun",
    "edit.during": "an edit is written, its transaction not yet durable",
    "edit.after": "an edit is durable, nobody has heard of it",
    "faiss.before": "before vectors go into the FAISS index",
    "faiss.after": "vectors are in the FAISS index",
    "index.write": "a part of the FAISS index is in its temporary file",
    "index.rename": "the temporary file is whole, not yet renamed",
    "index.renamed": "the FAISS index has its name",
    "reject.before": "a refused shard's transaction has begun",
    "reject.during": "a refused shard is written, its transaction not yet durable",
    "reject.after": "a refused shard is durable, nobody has heard of it",
    "recon.input": "a reconstruction's images have been read from the store",
    "recon.before": "a reconstruction begins to compute",
    "recon.checkpoint": "a reconstruction has kept a step it has done",
    "recon.output": "a reconstruction hands over what it found",
    "publish.before": "a result's transaction has begun",
    "publish.during": "a result is written, its transaction not yet durable",
    "publish.after": "a result is durable, nobody has heard of it",
    "fail.before": "a failed reconstruction's transaction has begun",
    "fail.during": "a failed reconstruction is written, its transaction not yet durable",
    "fail.after": "a failed reconstruction is durable, nobody has heard of it",
}
"""Every point, and where it lies."""

Action = Literal["kill", "os_error", "memory_error", "out_of_memory", "sleep", "clock"]


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What happens at a point.

    Attributes:
        point: one of `POINTS`.
        action: ``kill`` (SIGKILL), ``os_error``, ``memory_error``, ``out_of_memory`` (torch's), ``sleep``
            or ``clock``, which sets the process's clock.
        about: fires only where this is being worked on, such as the key of a sample; anything if empty.
        nth: such reaches of the point in one process until it fires; it stays armed from then on.
        times: how often it fires at most, over all processes that share the log.
        number: errno of an ``os_error``.
        seconds: length of a ``sleep``, or how far a ``clock`` is set forward.
        victims: files that hold the id of a process to be killed before this one, such as ``daemon.lock``.
    """

    point: str
    action: Action = "kill"
    about: str = ""
    nth: int = 1
    times: int = 1
    number: int = errno.EIO
    seconds: float = 0.0
    victims: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is armed, and the file that records, one JSON line each, what fired."""

    log: str
    faults: tuple[Fault, ...]

    def environment(self) -> dict[str, str]:
        """What arms the plan in a process to be started."""
        return {ENV: msgspec.json.encode(self).decode()}


class Fired(msgspec.Struct, frozen=True):
    """One line of the log: which fault of the plan fired, and in which process."""

    fault: int
    point: str
    action: Action
    pid: int


def read_plan(env: Mapping[str, str]) -> Plan | None:
    """The plan of an environment, None if it has none.

    Raises:
        ConfigError: it is no plan, or names a point that does not exist.
    """
    if not env.get(ENV):
        return None
    try:
        plan = msgspec.json.decode(env[ENV], type=Plan)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{ENV} is no plan of faults: {error}") from error
    unknown = [fault.point for fault in plan.faults if fault.point not in POINTS]
    if unknown:
        raise ConfigError(f"{ENV}: there is no point {unknown[0]!r}, only {', '.join(POINTS)}")
    return plan


def fired(log: str | Path) -> list[Fired]:
    """What has fired so far, in order."""
    path = Path(log)
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Fired) for line in lines]


class Trigger:
    """Counts the reaches of one process and fires what is due."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reached: Counter[int] = Counter()
        self._lock = threading.Lock()

    def reach(self, point: str, about: Collection[str] = ()) -> None:
        """Fires the faults that are due at a point."""
        meant = [
            (number, fault)
            for number, fault in enumerate(self._plan.faults)
            if fault.point == point and (not fault.about or fault.about in about)
        ]
        with self._lock:
            self._reached.update(number for number, _ in meant)
            due = [(number, fault) for number, fault in meant if self._reached[number] >= fault.nth]
        for number, fault in due:
            if self._claim(number, fault):
                _fire(fault)

    def _claim(self, number: int, fault: Fault) -> bool:
        # The log is what all processes share, those that were killed and started again among them.
        with open(self._plan.log, "ab+") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            if _times(log, number) >= fault.times:
                return False
            log.write(msgspec.json.encode(Fired(number, fault.point, fault.action, os.getpid())) + b"\n")
            log.flush()
            return True


def _times(log: IO[bytes], number: int) -> int:
    log.seek(0)
    return sum(msgspec.json.decode(line, type=Fired).fault == number for line in log)


def _fire(fault: Fault) -> None:
    if fault.action == "sleep":
        time.sleep(fault.seconds)
    elif fault.action == "clock":
        set_clock(fault.seconds)
    elif fault.action == "os_error":
        raise OSError(fault.number, os.strerror(fault.number))
    elif fault.action == "memory_error":
        raise MemoryError(f"out of memory at {fault.point}")
    elif fault.action == "out_of_memory":
        import torch  # only here: this module is a leaf that everything imports

        raise torch.OutOfMemoryError(f"CUDA out of memory at {fault.point}")
    else:
        for victim in fault.victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(Path(victim).read_text()), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


_plan = read_plan(os.environ)
_trigger = Trigger(_plan) if _plan is not None else None


def reach(point: str, about: Collection[str] = ()) -> None:
    """A point of `POINTS` has been reached; free unless a fault is armed.

    Args:
        point: which.
        about: what is being worked on, for faults that are about one thing.

    Raises:
        OSError: as armed.
        MemoryError: as armed.
    """
    if _trigger is not None:
        _trigger.reach(point, about)


def arm(plan: Plan | None) -> None:
    """Arms a plan in this process, or disarms it; for processes that fork rather than start."""
    global _trigger
    _trigger = Trigger(plan) if plan is not None else None
