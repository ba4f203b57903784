from __future__ import annotations

import numpy as np
import torch

from recon.cold import resolve_half_turns
from recon.geometry import rotation
from recon.halfturn import apply_half_turns
from recon.progress import Reporter
from recon.volume import join
from tests.recon_scene import SMALL, make_scene, rotation_errors, true_poses


def test_the_consistent_hypothesis_wins_over_a_mixture() -> None:
    scene = make_scene(32, noise=0.1)
    model, poses = true_poses(scene)
    mixed = apply_half_turns(poses, (torch.arange(32) % 2 == 0)[None])
    generator = torch.Generator().manual_seed(0)
    found = resolve_half_turns(join(mixed, poses), model, SMALL, generator, Reporter(None))
    errors = rotation_errors(rotation(found.angles[0]).double().numpy(), scene.R)
    assert len(found) == 1
    assert np.mean(errors < 40) > 0.85
