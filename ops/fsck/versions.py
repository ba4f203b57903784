"""No version was published that is worse than the one before on images that neither was fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from ops.fsck.findings import Finding, error
from ops.fsck.raw import RawState, Record, packed

QUALITY = "quality"
_NO_LEVEL = 5  # the schema before had none


def check_quality(state: RawState) -> Iterator[Finding]:
    """Each published version against the one published before it, from figures and cameras."""
    before: Record | None = None
    levels: dict[int, float] = {}
    for _, record in state.records("shapes"):
        if record["outcome"] != "published":
            if record.get("level", 0.0):
                yield error(QUALITY, f"{_name(record)} was not published and yet has a level")
            continue
        if before is None or before["cluster"] != record["cluster"]:
            before, levels = None, {}
        what = _what_is_wrong(state, record, before, levels)
        if what:
            yield error(QUALITY, f"{_name(record)} {what}")
        levels[record["version"]] = record.get("level", 0.0)
        before = record


def _name(record: Record) -> str:
    return f"version {record['version']} of shape {record['cluster']}"


def _what_is_wrong(state: RawState, record: Record, before: Record | None, levels: dict[int, float]) -> str:
    judge = record.get("judge", "")
    if before is None or state.schema < _NO_LEVEL:
        return _wrong_before_levels(record, before, state.schema)
    if judge != "fit" and record.get("before", 0) != before["version"]:
        return f"was compared with version {record.get('before', 0)}, published was {before['version']}"
    if judge == "person":
        same = record.get("level", 0.0) == levels.get(record.get("source", 0))
        return "" if same else "was rolled back to, and its level is not that of the version it stands for"
    if judge not in ("held_out", "fit"):
        return "was published though nothing judged it"
    loss = record["held_out_loss"] if judge == "held_out" else record["loss"]
    if loss >= record["baseline_loss"]:
        return "is no better than the one before"
    wanted = before.get("level", 0.0) * loss / record["baseline_loss"]
    if not math.isclose(record.get("level", 0.0), wanted, rel_tol=1e-9):
        return f"has the level {record.get('level', 0.0):.6f}, its figures make it {wanted:.6f}"
    return _judged_by_its_fit(state, record, before) if judge == "held_out" else ""


def _wrong_before_levels(record: Record, before: Record | None, schema: int) -> str:
    if before is not None:
        return "is no better than the one before" if record["loss"] >= record["baseline_loss"] else ""
    if schema >= _NO_LEVEL and (record.get("judge", "") or record.get("level", 0.0) != record["loss"]):
        return "is the first one, and yet was judged or has another level than its loss"
    return ""


def _judged_by_its_fit(state: RawState, record: Record, before: Record) -> str:
    """Counts the images that neither version was fitted to: no fewer than are said to have judged it."""
    unseen = _images(state, record, fitted=False) - _images(state, before, fitted=True)
    wanted = record.get("held_out", 0)
    if wanted < 1 or len(unseen) < wanted:
        return f"was judged by {wanted} images, there are {len(unseen)} that neither version was fitted to"
    return ""


def _images(state: RawState, record: Record, *, fitted: bool) -> set[int]:
    place = packed(record["cluster"], record.get("source", 0) or record["version"])
    cameras = msgspec.msgpack.decode(state.get("cameras", place) or b"\x90")
    return {camera["sample"] for camera in cameras if camera.get("fitted", True) == fitted}
