"""Settings of a reconstruction; one dataclass, three presets of effort."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ops.errors import ConfigError

Effort = Literal["draft", "quick", "full"]
Symmetry = Literal["mirror", "none"]
FieldKind = Literal["voxel", "tensorf", "mlp"]
Recipe = Literal["shapelode", "3dminer"]
_BRIEF = 0.6  # share of the steps of the joint refinement where a search is a draft's


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of the multi-start search.

    Attributes:
        hypotheses: how many run side by side.
        rounds: M-step and E-step pairs.
        folds: cross-fit folds; a view is scored only against volumes without its fold.
        azimuths: candidate azimuths over the full turn.
        elevations: candidate elevations over ``ReconConfig.elevations``.
        resolution: voxels along a side of the volume.
        dims: leading feature components compared.
        pixels: side of the window on which views are compared; 8 or 16.
        lean: weight of what single views tell of their azimuths, in standard deviations of a view's scores for each
            nat. Guesses get a search under way; once there is a volume, it knows better.
        tilt: the same of their elevations.
        halve_after: rounds after which the worse half of the hypotheses is left behind, again and again; 0 for never.
    """

    hypotheses: int
    rounds: int
    folds: int
    azimuths: int
    elevations: int
    resolution: int
    dims: int
    pixels: int = 16
    lean: float = 0.0
    tilt: float = 0.0
    halve_after: int = 0


@dataclass(frozen=True, slots=True)
class JointStage:
    """The gradient refinement of field and cameras together.

    Attributes:
        steps: of the optimiser; 0 leaves the refinement out.
        resolution: voxels along a side of the density grid.
        rays: most rays followed in a step, over all views; a view gets at most 200.
        dims: leading feature components rendered.
        field: how densities and features are kept.
    """

    steps: int
    resolution: int
    rays: int
    dims: int
    field: FieldKind = "tensorf"


@dataclass(frozen=True, slots=True)
class Realignment:
    """Views searched anew against refined fields of other views, and refined again, in turns.

    Attributes:
        rounds: at most so many; 0 leaves it out.
        fit: the refinements.
        folds: each view is searched in what was fitted to the other folds.
        azimuths: candidate azimuths over the full turn.
        elevations: candidate elevations over ``ReconConfig.elevations``.
        resolution: voxels along a side of the carved volumes, which have a say, too.
        floor: share of their score that silhouettes earn.
    """

    rounds: int
    fit: JointStage
    folds: int = 3
    azimuths: int = 48
    elevations: int = 8
    resolution: int = 32
    floor: float = 0.1


@dataclass(frozen=True, slots=True)
class Untangling:
    """Views that lie half a turn off turned back, and searched anew around there.

    Attributes:
        turns: at most so many times.
        stage: of the search, of one hypothesis.
    """

    turns: int = 3
    stage: Stage = Stage(1, 2, 5, 36, 6, 32, 128, tilt=0.5)


@dataclass(frozen=True, slots=True)
class ReconConfig:
    """What a reconstruction may assume and how hard it tries.

    Attributes:
        effort: preset that chose the stages; see :meth:`preset`.
        recipe: how cameras are found at first: ``shapelode`` searches, ``3dminer`` factorises part keypoints, the
            baseline.
        min_views: fewer usable views give the verdict ``too_few_views``.
        max_views: views that take part in the fit; the others are only registered.
        feature_dims: principal components kept of the patch features, at most 128.
        appearance_floor: share of the score earned by silhouette overlap alone, in [0, 1].
        search_floor: the same while poses are searched and hypotheses ranked. Silhouettes hardly tell a wrong
            solution from the right one, the features' agreement does.
        start_groups: groups of look-alike views that share a random start; as many as views for none.
        led_starts: starts of a second search, drawn from and leaning on guesses of single views, where the views come
            with any; 0 for none.
        object_fov: angle in degrees under which the longest side of the object is assumed to be seen.
        elevations: lowest and highest camera elevation in degrees that is searched.
        symmetry: ``mirror`` assumes a left-right symmetric object, ``none`` assumes nothing.
        coarse: random starts on a coarse grid of poses.
        medium: the best of them on a finer grid of poses.
        fine: the best of those, on the finest: the finalists of a search.
        trial: short joint refinement of the finalists of all searches, by whose loss one is chosen.
        untangle: views of the chosen hypothesis sorted out where they lie both ways round.
        realign: views of the chosen hypothesis searched anew against refined fields.
        joint: refinement of its field and cameras by gradients; a warm start takes three quarters of its steps.
        mesh_resolution: voxels along a side of the final carved volume.
        min_score: mean held-out score below which the verdict is ``thin_evidence``.
        round_ratio: share of the free shape's held-out silhouette IoU from which a surface of revolution is
            preferred, with the verdict ``rotational_symmetry``.
        round_iou: held-out silhouette IoU that the surface of revolution must reach for that.
    """

    effort: Effort = "quick"
    recipe: Recipe = "shapelode"
    min_views: int = 8
    max_views: int = 100
    feature_dims: int = 128
    appearance_floor: float = 0.3
    search_floor: float = 0.1
    start_groups: int = 14
    led_starts: int = 32
    object_fov: float = 28.0
    elevations: tuple[float, float] = (-8.0, 65.0)
    symmetry: Symmetry = "mirror"
    coarse: Stage = Stage(96, 8, 3, 24, 3, 14, 128, 8, lean=0.5, tilt=1.0, halve_after=2)
    medium: Stage = Stage(6, 4, 4, 24, 5, 20, 128, tilt=0.7)
    fine: Stage = Stage(3, 2, 5, 36, 6, 32, 128, tilt=0.5)
    trial: JointStage = JointStage(30, 24, 3000, 8)
    untangle: Untangling = Untangling()
    realign: Realignment = Realignment(0, JointStage(60, 32, 4000, 8))
    joint: JointStage = JointStage(240, 48, 2600, 8)
    mesh_resolution: int = 64
    min_score: float = 0.1
    round_ratio: float = 0.95
    round_iou: float = 0.75

    def __post_init__(self) -> None:
        """Refuses values out of range; raises ``ConfigError``."""
        if not 1 <= self.feature_dims <= 128:
            raise ConfigError(f"feature_dims must be 1 to 128, not {self.feature_dims}")
        if self.min_views < 4 or self.max_views < self.min_views:
            raise ConfigError("min_views must be at least 4 and max_views at least min_views")
        if not 0.0 <= self.appearance_floor <= 1.0:
            raise ConfigError(f"appearance_floor must be 0 to 1, not {self.appearance_floor}")
        if not 0.0 <= self.search_floor <= 1.0:
            raise ConfigError(f"search_floor must be 0 to 1, not {self.search_floor}")
        if self.led_starts < 0:
            raise ConfigError(f"led_starts must be at least 0, not {self.led_starts}")
        if self.start_groups < 1:
            raise ConfigError(f"start_groups must be at least 1, not {self.start_groups}")
        if not 5.0 <= self.object_fov <= 90.0:
            raise ConfigError(f"object_fov must be 5 to 90 degrees, not {self.object_fov}")
        if not -90.0 < self.elevations[0] <= self.elevations[1] < 90.0:
            raise ConfigError(f"elevations must rise within -90 to 90 degrees, not {self.elevations}")

    def drafted(self) -> ReconConfig:
        """The same with the searches of a draft, and fewer steps: where another search will follow."""
        draft = _PRESETS["draft"]
        trial = replace(draft["trial"], field=self.trial.field)
        joint = replace(self.joint, steps=round(_BRIEF * self.joint.steps))
        return replace(
            self, coarse=draft["coarse"], medium=draft["medium"], fine=draft["fine"], led_starts=draft["led_starts"],
            trial=trial, untangle=draft["untangle"], joint=joint,
        )  # fmt: skip

    @classmethod
    def preset(
        cls, effort: Effort, recipe: Recipe = "shapelode", field: FieldKind | Literal["auto"] = "auto"
    ) -> ReconConfig:
        """The settings of an effort and a recipe.

        Args:
            effort: ``draft`` for a first look on a busy machine, ``quick`` for a daemon on few cores, ``full`` for the
                best shape.
            recipe: ``3dminer`` assumes no symmetry and fits a neural field.
            field: what the joint refinements fit; ``auto`` is the recipe's own.

        Raises:
            ConfigError: for any other name.
        """
        if effort not in _PRESETS:
            raise ConfigError(f"effort must be {', '.join(_PRESETS)}, not {effort!r}")
        if recipe not in get_args(Recipe):
            raise ConfigError(f"recipe must be {', '.join(get_args(Recipe))}, not {recipe!r}")
        kinds: tuple[str, ...] = get_args(FieldKind)
        if field not in (*kinds, "auto"):
            raise ConfigError(f"field must be auto, {', '.join(kinds)}, not {field!r}")
        config = replace(cls(), effort=effort, recipe=recipe, **_PRESETS[effort])
        own: FieldKind = "tensorf" if recipe == "shapelode" else "mlp"
        chosen = own if field == "auto" else field
        fit = replace(config.realign.fit, field=chosen)
        config = replace(config, trial=replace(config.trial, field=chosen), joint=replace(config.joint, field=chosen))
        config = replace(config, realign=replace(config.realign, fit=fit))
        return replace(config, symmetry="mirror" if recipe == "shapelode" else "none")


_PRESETS: dict[str, dict[str, Any]] = {
    "draft": {
        "coarse": Stage(32, 8, 3, 24, 3, 14, 128, 8, lean=0.5, tilt=1.0, halve_after=2),
        "led_starts": 16,
        "medium": Stage(2, 4, 4, 24, 5, 20, 128, tilt=0.7),
        "fine": Stage(2, 1, 5, 36, 6, 28, 128, tilt=0.5),
        "trial": JointStage(30, 24, 3000, 8),
        "untangle": Untangling(1, Stage(1, 2, 4, 24, 5, 20, 128, tilt=0.5)),
        "joint": JointStage(60, 32, 6000, 8),
        "mesh_resolution": 48,
    },
    "quick": {},
    "full": {
        "coarse": Stage(192, 10, 3, 24, 3, 14, 128, 8, lean=0.5, tilt=1.0, halve_after=2),
        "led_starts": 96,
        "medium": Stage(16, 5, 4, 24, 5, 24, 128, tilt=0.7),
        "fine": Stage(6, 4, 5, 36, 6, 32, 128, tilt=0.5),
        "trial": JointStage(80, 40, 8000, 8),
        "joint": JointStage(640, 48, 2600, 16),
        "mesh_resolution": 80,
    },
}
