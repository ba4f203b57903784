"""Whether a result becomes the published version of its shape or a candidate, and the figures that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.jobs import ReconOutput
from index.records import Judge, Outcome, Seed, ShapeRecord


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a result.

    Attributes:
        outcome: published, candidate or no_shape.
        reason: why, in words.
        judge: what decided.
        level: as in `ShapeRecord`; 0 for what is not published.
    """

    outcome: Outcome
    reason: str
    judge: Judge = ""
    level: float = 0.0


def judge(output: ReconOutput, before: ShapeRecord | None, seeds: Sequence[Seed] = ()) -> Judgement:
    """Compares a result with the published version on images that neither was fitted to.

    Args:
        output: the result.
        before: the published version; None if there is none, and the first shape is published as it is.
        seeds: versions of other clusters that it may have been started from, for the reason.
    """
    if not output.artifacts:
        return Judgement("no_shape", output.reason)
    if before is None:
        return Judgement("published", f"first version{_handed_down(seeds)}: {output.reason}", level=output.loss)
    if not output.held_out:
        return Judgement("candidate", f"no image judges it that version {before.version} was not fitted to")
    images = f"{output.held_out} image{'s' * (output.held_out > 1)} that neither was fitted to"
    losses = f"loss {output.held_out_loss:.4f} against {output.baseline_loss:.4f}"
    if output.held_out_loss >= output.baseline_loss:
        return Judgement("candidate", f"no better than version {before.version} on {images}: {losses}", "held_out")
    level = before.level * output.held_out_loss / output.baseline_loss
    reason = f"better than version {before.version}{_handed_down(seeds)} on {images}: {losses}; {output.reason}"
    return Judgement("published", reason, "held_out", level)


def _handed_down(seeds: Sequence[Seed]) -> str:
    told = " and ".join(f"version {version} of shape {cluster}" for cluster, version in seeds)
    return f", with {told} handed down," if told else ""
