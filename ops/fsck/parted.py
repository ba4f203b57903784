"""A library in parts: each part by itself, and what only all of them together can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from ops.errors import StateError
from ops.fsck.check import check_state
from ops.fsck.findings import Finding, FsckReport, error
from ops.fsck.raw import RawState, number

ROUTING = "routing"
POSITIONS = "positions"
_SLACK = 0.01  # of a cosine: descriptors are kept in 16 bits, and another device may have come to other ones
_SHOWN = 20


def check_library(folder: Path, on_check: Callable[[str], None] = lambda name: None) -> FsckReport:
    """Checks a library in one piece or in parts, beside a running daemon or without one; changes nothing.

    Args:
        folder: its state directory.
        on_check: is told the name of each check as it begins.

    Raises:
        StateError: it is no state directory, or can't be opened.
    """
    parted = (folder / "routing.safetensors").exists() or (folder / "parts").is_dir()
    return check_parts(folder, on_check) if parted else check_state(folder, on_check)


def check_parts(folder: Path, on_check: Callable[[str], None] = lambda name: None) -> FsckReport:
    """Checks a library in parts that are all on this machine; changes nothing.

    Args:
        folder: of the library.
        on_check: is told the name of each check as it begins.

    Raises:
        StateError: its routing can't be read, or a part is missing.
    """
    centroids, owners = _routing(folder)
    folders = [folder / "parts" / str(part) for part in range(int(owners.max()) + 1)]
    reports = [check_state(path, partial(_told, on_check, part)) for part, path in enumerate(folders)]
    records = sum((Counter(one.records) for one in reports), Counter[str]())
    whole = FsckReport(str(folder), [*reports[0].checks, ROUTING, POSITIONS], dict(records))
    for part, one in enumerate(reports):
        whole.counts.update({f"{name} of part {part}": count for name, count in one.counts.items()})
        whole.findings.extend(replace(finding, what=f"part {part}: {finding.what}") for finding in one.findings)
    with ExitStack() as stack:
        states = [stack.enter_context(RawState(path)) for path in folders]
        for name, findings in ((ROUTING, _astray(states, centroids, owners)), (POSITIONS, _positions(states))):
            on_check(name)
            if found := list(findings):
                whole.counts[name] = len(found)
                whole.findings.extend(found[:_SHOWN])
    return whole


def _told(on_check: Callable[[str], None], part: int, name: str) -> None:
    on_check(f"{name} of part {part}")


def _routing(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    path = folder / "routing.safetensors"
    try:
        tensors = safetensors.numpy.load_file(path)
        return tensors["centroids"], tensors["owners"]
    except (OSError, KeyError, safetensors.SafetensorError) as problem:
        raise StateError(f"{path} can't be read: {problem}") from problem


def _astray(states: list[RawState], centroids: NDArray[np.float32], owners: NDArray[np.int64]) -> Iterator[Finding]:
    """Every vector lies nearest to a centroid of its part."""
    for part, state in enumerate(states):
        for key, raw in state.items("vectors"):
            scores = centroids @ np.frombuffer(raw, np.float16).astype(np.float32)
            if scores[owners == part].max() < scores.max() - _SLACK:
                best = owners[scores.argmax()]
                yield error(ROUTING, f"part {part}: image {number(key)} belongs to part {best}")


def _positions(states: list[RawState]) -> Iterator[Finding]:
    """Up to where all parts have come, every position of a shard is in one of them at least."""
    shards = [{record["url"]: record for _, record in state.records("shards")} for state in states]
    taken: list[dict[str, set[int]]] = [_taken(state) for state in states]
    for url in sorted({url for part in shards for url in part}):
        cursors = [part[url].get("cursor", 0) if url in part else 0 for part in shards]
        held = set().union(*(part.get(url, set()) for part in taken))
        if lost := [position for position in range(min(cursors)) if position not in held]:
            yield error(POSITIONS, f"{url}: {len(lost)} positions are in no part, such as {lost[0]}")


def _taken(state: RawState) -> dict[str, set[int]]:
    places: dict[str, set[int]] = {}
    for table in ("samples", "deleted", "rejects"):
        for _, record in state.records(table):
            places.setdefault(record["shard"], set()).add(record.get("index", -1))
    return places
