"""Answers of actors: waiting for them, and their errors as Shapelode's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from ops.errors import ShapelodeError, WorkerError

Handle = Any
"""A Ray actor handle."""
Ref = Any
"""A Ray object reference."""
_LONGEST_REASON = 300


def wait(refs: Sequence[Ref], timeout_s: float) -> list[Ref]:
    """Those of the references, at most one, whose result is there or comes within the time."""
    ready, _ = ray.wait(list(refs), num_returns=1, timeout=timeout_s, fetch_local=False)
    return list(ready)


def find(name: str) -> Handle:
    """The actor of this daemon that goes by a name."""
    return ray.get_actor(name)


def get(refs: Any) -> Any:
    """``ray.get`` that raises Shapelode's own errors as themselves.

    Raises:
        ShapelodeError: what an actor raised on purpose.
        WorkerError: an actor died or raised something else.
    """
    try:
        return ray.get(refs)
    except RayTaskError as error:
        if isinstance(error.cause, ShapelodeError):
            raise error.cause from None
        raise WorkerError(_last_line(error), died=False) from error
    except RayError as error:
        raise WorkerError(f"a worker died: {_last_line(error)}", died=True) from error


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:_LONGEST_REASON]
