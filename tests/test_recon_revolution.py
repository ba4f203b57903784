from __future__ import annotations

import numpy as np
import torch

from recon import reconstruct
from recon.revolution import fit_revolution
from tests.recon_scene import SMALL, Floats, make_scene, true_poses

BENCH: Floats = np.array([[[-0.5, -0.1, -0.12], [0.5, 0.1, 0.12]]])
"""A long low box."""

VASE: Floats = np.concatenate(
    [
        [[[-r * np.cos(a), low, -r * np.sin(a)], [r * np.cos(a), high, r * np.sin(a)]]
         for a in np.linspace(0.05, 1.52, 12)]
        for r, low, high in ((0.3, -0.5, 0.1), (0.15, 0.1, 0.5))
    ]
)  # fmt: skip
"""Two stacked discs out of boxes: looks alike from all sides."""


def test_a_vase_is_explained_by_a_surface_of_revolution_and_a_bench_is_not() -> None:
    found = {}
    for name, boxes in (("vase", VASE), ("bench", BENCH)):
        model, _ = true_poses(make_scene(24, boxes=boxes))
        found[name] = fit_revolution(model, torch.Generator().manual_seed(0))
    # Well on either side of what the verdict asks for.
    assert found["vase"].iou > SMALL.round_iou
    assert found["bench"].iou < SMALL.round_iou - 0.1
    assert bool((found["vase"].poses.angles[..., 0] == 0).all())


def test_a_vase_gets_the_verdict_and_a_round_mesh() -> None:
    views = make_scene(16, boxes=VASE, round_paint=True).views
    result = reconstruct(views, SMALL)
    assert result.verdict == "rotational_symmetry" and result.shape is not None
    width, _, depth = np.ptp(result.shape.mesh.vertices, axis=0)
    assert abs(width - depth) < 0.05
