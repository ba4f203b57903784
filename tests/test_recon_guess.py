from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from recon.em import run_stage, standing
from recon.geometry import rotation
from recon.guess import agreement, at_azimuth, at_elevation, lean, prior_of, turn_to
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, make_scene, rotation_errors, told, true_poses

CPU = torch.device("cpu")


def poses_at(azimuth: np.ndarray) -> Hypotheses:
    angles = torch.zeros(1, len(azimuth), 3)
    angles[0, :, 0] = torch.from_numpy(azimuth)
    ones = torch.ones(1, len(azimuth))
    return Hypotheses(angles, angles, ones, ones)


def test_no_azimuth_is_impossible() -> None:
    prior = prior_of(told(np.zeros(2), 500.0), CPU)
    assert prior.azimuth.min() > math.log(0.1 / 24) - 1e-4
    assert torch.allclose(prior.azimuth.exp().sum(1), torch.ones(2))


def test_between_two_azimuths_the_odds_are_between() -> None:
    prior = prior_of(told(np.zeros(1)), CPU)
    step = 2 * math.pi / 24
    at = at_azimuth(prior, torch.tensor([[0.0], [step / 2], [step], [-step / 2], [2 * math.pi]]))[:, 0]
    assert torch.isclose(at[1], (at[0] + at[2]) / 2, atol=1e-5)
    assert torch.isclose(at[1], at[3], atol=1e-5) and torch.isclose(at[0], at[4], atol=1e-5)


def test_a_hypothesis_with_another_zero_is_turned_to_the_prior() -> None:
    azimuth = np.random.default_rng(0).uniform(0, 2 * np.pi, 20)
    prior = prior_of(told(azimuth), CPU)
    shift = 5 * 2 * np.pi / 24
    turn, turned = turn_to(prior, poses_at(azimuth - shift).angles[..., 0])
    assert np.isclose(float(turn[0]), shift, atol=1e-5)
    at_home = turn_to(prior, poses_at(azimuth).angles[..., 0])[1]
    assert torch.isclose(turned[0], at_home[0], atol=0.05)
    assert turn_to(prior, poses_at(azimuth[::-1].copy()).angles[..., 0])[1][0] < at_home[0] - 0.5


def test_candidates_are_leant_to_in_the_hypothesis_own_zero() -> None:
    azimuth = np.array([0.3, 2.0, 4.0])
    candidates = torch.zeros(24, 3)
    candidates[:, 0] = torch.arange(24) * (2 * math.pi / 24)
    leaning = lean(prior_of(told(azimuth), CPU), poses_at(azimuth - np.pi / 2), candidates, 1.0, 0.0)
    assert leaning.shape == (1, 3, 24)
    best = candidates[leaning[0].argmax(-1), 0].numpy()
    away = best - (azimuth - np.pi / 2)
    assert np.abs((away + np.pi) % (2 * np.pi) - np.pi).max() < np.radians(16)


def test_elevations_count_most_where_they_were_guessed_and_none_is_impossible() -> None:
    prior = prior_of(told(np.zeros(1)), CPU)  # guesses of 20 degrees
    at = at_elevation(prior, torch.tensor([20.0, 25.0, 15.0, 70.0, 80.0]).deg2rad()[:, None])[:, 0]
    assert torch.isclose(at[0], torch.tensor(0.0), atol=1e-5) and torch.isclose(at[1], at[2], atol=1e-5)
    assert at[0] > at[1] > at[3] + 1 and torch.isclose(at[3], at[4], atol=0.1) and at[4] > -5


def test_candidates_are_leant_to_by_their_elevation_whatever_the_zero() -> None:
    azimuth = np.array([0.3, 2.0])
    candidates = torch.zeros(4, 3)
    candidates[:, 1] = torch.tensor([0.0, 22.0, 40.0, 60.0]).deg2rad()
    for prior in (prior_of(told(azimuth), CPU), prior_of(told(azimuth), CPU).without_azimuth()):
        assert lean(prior, poses_at(azimuth + 1), candidates, 0.1, 1.0)[0].argmax(-1).tolist() == [1, 1]


def test_without_azimuths_all_of_them_are_alike() -> None:
    azimuth = np.random.default_rng(3).uniform(0, 2 * np.pi, 12)
    prior = prior_of(told(azimuth), CPU).without_azimuth()
    angles = torch.cat([poses_at(azimuth).angles, poses_at(azimuth[::-1].copy()).angles])
    angles[..., 1] = math.radians(20)
    assert torch.allclose(agreement(prior, angles), torch.zeros(2), atol=1e-5)
    angles[1, :, 1] = math.radians(50)
    assert agreement(prior, angles)[1] < -1


def test_a_prior_keeps_a_search_from_going_astray() -> None:
    scene = make_scene(20, noise=1.0)
    model, _ = true_poses(scene)
    azimuth = np.array(scene.azimuth)
    start = poses_at(azimuth)
    start.angles[..., 1] = 0.3
    start.frame[..., 0] = 0.6
    stage = SMALL.coarse
    errors = []
    for prior, weight in ((None, 0.0), (prior_of(told(azimuth), CPU), 2.0)):
        leaning = replace(model, prior=prior)
        found = run_stage(start, leaning, replace(stage, lean=weight), torch.Generator().manual_seed(0), lambda _: None)
        errors.append(np.mean(rotation_errors(rotation(found.angles[0]).double().numpy(), scene.R) < 30))
    assert errors[1] > errors[0] and errors[1] > 0.7


def test_of_equal_scores_the_one_that_agrees_stands_higher() -> None:
    azimuth = np.random.default_rng(1).uniform(0, 2 * np.pi, 20)
    model, _ = true_poses(make_scene(20))
    model = replace(model, prior=prior_of(told(azimuth), CPU))
    assert standing(poses_at(azimuth), model)[0] > standing(poses_at(azimuth[::-1].copy()), model)[0]
