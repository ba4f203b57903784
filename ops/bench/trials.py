"""Reconstructions of one benchmark: what each was given, what became of it, and all of them as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from ops.bench.report import Measure
from ops.bench.shapes import Judgement, pose_measures, surface_measures
from ops.bench.truth import Array
from recon.config import Recipe

RIVAL = "3DMiner recipe"
_FEWEST_RANKED = 4
_RIGHT = 30.0
"""Degrees under which a camera is right."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One reconstruction that has ended.

    Attributes:
        shape: the true shape.
        recipe: how it was made.
        crowded: whether images of other shapes were among its views.
        verdict: what became of it.
        seconds: it took.
        loss: held-out loss; 1 without a shape.
        judged: figures against the truth; None without a shape.
        strangers_rejected: share of the images of other shapes that were thrown out.
        members_rejected: share of its own images that were.
        certainty: ``(N,)`` of the cameras that were judged; None where they say nothing of it.
        losses: ``(N,)`` of the same.
    """

    shape: str
    recipe: Recipe
    crowded: bool
    verdict: str
    seconds: float
    loss: float
    judged: Judgement | None
    strangers_rejected: float = 0.0
    members_rejected: float = 0.0
    certainty: Array | None = None
    losses: Array | None = None


def measures_of(trials: Sequence[Trial]) -> list[Measure]:
    """The figures of our own recipe without strangers, beside the baselines, and what strangers and seeds change."""
    own = _own(trials)
    ours, rivals = _judged(own), _judged([trial for trial in trials if trial.recipe == "3dminer"])
    measures: list[Measure] = []
    if ours:
        measures = pose_measures(ours, {RIVAL: rivals}) + surface_measures(ours, {RIVAL: rivals})
    measures += _ranked(trials) + _sure(own)
    measures += _crowded(own, [trial for trial in trials if trial.crowded])
    return measures + [_of_shape(shape, ours, rivals) for shape in dict.fromkeys(j.shape for j in ours)]


def facts_of(trials: Sequence[Trial]) -> dict[str, str | int | float]:
    """Verdicts and times of our own recipe without strangers, and how often the other one gave a shape."""
    own, rivals = _own(trials), [trial for trial in trials if trial.recipe == "3dminer"]
    verdicts = Counter(trial.verdict for trial in own)
    facts: dict[str, str | int | float] = {
        "with a shape": len(_judged(own)),
        "verdicts": ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common()),
        "seconds a shape, median": float(np.median([trial.seconds for trial in own])),
    }
    if rivals:
        facts[f"{RIVAL}, with a shape"] = f"{len(_judged(rivals))} of {len(rivals)}"
        facts[f"{RIVAL}, seconds a shape, median"] = float(np.median([trial.seconds for trial in rivals]))
    return facts


def _own(trials: Sequence[Trial]) -> list[Trial]:
    """Our own recipe's, without strangers."""
    return [trial for trial in trials if trial.recipe == "shapelode" and not trial.crowded]


def _judged(trials: Sequence[Trial]) -> list[Judgement]:
    return [trial.judged for trial in trials if trial.judged is not None]


def _ranked(trials: Sequence[Trial]) -> list[Measure]:
    """Is quality known without truth? Rank correlation over all shapes, seeds and recipes."""
    pairs = [(trial.loss, trial.judged.surface.fscore) for trial in trials if trial.judged is not None]
    if len(pairs) < _FEWEST_RANKED or min(len(set(values)) for values in zip(*pairs, strict=True)) < 2:
        return []
    found = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return [Measure("rank correlation of held-out loss and F-score", found, "lower", {"chance": 0.0})]


def _sure(own: Sequence[Trial]) -> list[Measure]:
    """Are right cameras known without truth? Of all cameras of all shapes, beside what their own losses tell."""
    told = [t for t in own if t.judged is not None and t.certainty is not None and t.losses is not None]
    if not told:
        return []
    right = np.concatenate([t.judged.errors < _RIGHT for t in told if t.judged is not None])
    certainty, losses = (np.concatenate([getattr(t, name) for t in told]) for name in ("certainty", "losses"))
    measures = [
        Measure("share of cameras that should be right", float(certainty.mean()), "context", {"right": right.mean()})
    ]
    if 0 < right.mean() < 1:
        known, guessed = (float(roc_auc_score(right, score)) for score in (certainty, -losses))
        baselines = {"a camera's loss": guessed, "chance": 0.5}
        measures.append(Measure("certainty tells right cameras: area under ROC", known, "higher", baselines))
    return measures


def _crowded(own: Sequence[Trial], crowded: Sequence[Trial]) -> list[Measure]:
    """Of the shapes that were found both ways."""
    both = {trial.shape for trial in own if trial.judged} & {trial.shape for trial in crowded if trial.judged}
    if not both:
        return []

    def score(trials: Sequence[Trial]) -> float:
        return float(np.mean([t.judged.surface.fscore for t in trials if t.judged and t.shape in both]))

    return [
        Measure("F-score with strangers", score(crowded), "higher", {"without": score(own)}),
        Measure(
            "strangers rejected", float(np.mean([trial.strangers_rejected for trial in crowded])), "higher",
            {"members rejected": float(np.mean([trial.members_rejected for trial in crowded]))},
        ),
    ]  # fmt: skip


def _of_shape(shape: str, ours: Sequence[Judgement], rivals: Sequence[Judgement]) -> Measure:
    mine = [judgement for judgement in ours if judgement.shape == shape]
    other = [judgement for judgement in rivals if judgement.shape == shape]
    errors = np.concatenate([judgement.errors for judgement in mine])
    baselines = {"sphere": mine[0].sphere.fscore, "oracle hull": mine[0].hull.fscore}
    if other:
        baselines[RIVAL] = float(np.mean([judgement.surface.fscore for judgement in other]))
    return Measure(
        f"{shape}: F-score ({np.median(errors):.0f}°, {np.mean(errors < 30):.2f} < 30°)",
        float(np.mean([judgement.surface.fscore for judgement in mine])),
        "higher",
        baselines,
    )
