from __future__ import annotations

import numpy as np
import torch

from recon.cold import add_half_turned, cold_start
from recon.em import standing
from recon.geometry import rotation
from recon.halfturn import apply_half_turns
from recon.progress import Progress, Reporter
from tests.recon_scene import SMALL, make_scene, rotation_errors, true_poses


def test_a_mixture_of_opposite_views_gets_a_consistent_rival() -> None:
    scene = make_scene(32, noise=0.1)
    model, poses = true_poses(scene)
    mixed = apply_half_turns(poses, (torch.arange(32) % 3 == 0)[None])
    generator = torch.Generator().manual_seed(0)
    found = add_half_turned(mixed, model, SMALL, generator, Reporter(None))
    shares = [np.mean(rotation_errors(rotation(a).double().numpy(), scene.R) < 40) for a in found.angles]
    assert len(found) == 2
    assert shares[1] > 0.85 and shares[1] > shares[0]
    assert standing(found, model)[1] > standing(found, model)[0]


def test_progress_covers_the_search_in_order() -> None:
    model, _ = true_poses(make_scene(12))
    ticks: list[Progress] = []
    cold_start(model, SMALL, torch.Generator().manual_seed(0), Reporter(ticks.append))
    assert [tick.fraction for tick in ticks] == sorted(tick.fraction for tick in ticks)
    assert list(dict.fromkeys(tick.stage for tick in ticks)) == ["coarse", "medium", "half_turns", "fine", "polish"]
