from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actors import reconstruction as module
from actors.plan import ReconstructorOptions
from actors.reconstruction import Workshop
from index.jobs import FIELD, ReconInput, ReconJob
from ops.errors import ReconstructionError
from recon import ReconConfig, Reconstruction, Views
from recon.camera import select_cameras
from tests.recon_scene import carved_result, joined, make_scene
from tests.test_actors_trial import spoiled

OPTIONS = ReconstructorOptions("none", "auto", "cpu", "draft", "shapelode", "auto", 20, 8, 0)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Views]:
    """Views that a fit was shown; it finds the shape of the true cameras, whatever they are."""
    scene, result = carved_result()
    views = joined(scene.views, make_scene(8, seed=11).views)
    seen: list[Views] = []

    def fit(given: Views, *_: object, **__: Any) -> Reconstruction:
        seen.append(given)
        assert result.shape is not None
        cameras = select_cameras(result.shape.cameras, np.arange(len(given)))
        return replace(result, ids=given.ids, shape=replace(result.shape, cameras=cameras))

    monkeypatch.setattr(module, "reconstruct", fit)
    monkeypatch.setattr(Workshop, "_views", lambda self, given: views)
    return seen


def given(field: bytes | None, held_out: tuple[int, ...], *others: bytes) -> ReconInput:
    scene, _ = carved_result()
    samples = [*scene.views.ids.tolist(), *(make_scene(8, seed=11).views.ids + 1000).tolist()]
    starts = (*([field] if field is not None else []), *others)
    return ReconInput(ReconJob(1, len(samples), int(field is not None), 1.5), samples, [], [], field, held_out, starts)


def test_what_judges_is_kept_out_of_the_fit_and_gets_cameras_all_the_same(shown: list[Views]) -> None:
    _, result = carved_result()
    judges = tuple(range(1100, 1108))
    output = Workshop(OPTIONS).run(given(spoiled(result).to_bytes(), judges))
    assert not set(shown[0].ids.tolist()) & set(judges) and len(shown[0]) == 24
    assert output.held_out > 4 and output.held_out_loss < output.baseline_loss < 1
    assert [camera.sample for camera in output.cameras] == output.samples
    # Of the others the last 20 are fitted to, as `recon.max_views` has it.
    fitted = [camera.sample for camera in output.cameras if camera.fitted]
    assert fitted == shown[0].ids[-20:].tolist()
    assert output.warm and FIELD in output.artifacts
    assert output.misfits == tuple(camera.sample for camera in output.cameras if not camera.weight)
    told = [camera for camera in output.cameras if camera.certainty is not None]
    assert [camera.sample for camera in told] == list(judges), "rotations that were given are not asked for"
    assert all(0 < each.certainty < 1 and len(each.alternatives) <= 3 for each in told if each.certainty)
    assert any(each.alternatives for each in told) and output.certainty is None


def test_a_first_shape_is_fitted_to_all_images_and_judged_by_none(shown: list[Views]) -> None:
    _, result = carved_result()
    assert result.shape is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "reconstruct", lambda views, *_, **__: shown.append(views) or _none(views))
        output = Workshop(OPTIONS).run(given(None, ()))
    assert len(shown[-1]) == 32
    assert (output.held_out, output.held_out_loss, output.baseline_loss) == (0, 0.0, 1.0)
    assert output.artifacts == {} and output.cameras == []


@pytest.mark.parametrize("brief", [True, False])
def test_a_first_search_is_a_draft_s_where_another_follows_but_what_it_finds_is_as_fine_as_ever(
    shown: list[Views], brief: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ReconConfig] = []
    monkeypatch.setattr(module, "reconstruct", lambda views, config, **__: asked.append(config) or _none(views))
    Workshop(replace(OPTIONS, effort="quick")).run(replace(given(None, ()), brief=brief))
    (config,), quick, draft = asked, ReconConfig.preset("quick"), ReconConfig.preset("draft")
    assert (config.coarse, config.led_starts) == (
        (draft.coarse, draft.led_starts) if brief else (quick.coarse, quick.led_starts)
    )
    assert config.joint == replace(quick.joint, steps=144 if brief else 240)


def test_a_shape_that_is_continued_is_built_as_finely_however_few_its_images(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ReconConfig] = []
    monkeypatch.setattr(module, "reconstruct", lambda views, config, **__: asked.append(config) or _none(views))
    field = carved_result()[1].to_bytes()
    Workshop(replace(OPTIONS, effort="quick")).run(replace(given(field, ()), brief=True))
    assert [config.fine for config in asked] == [ReconConfig.preset("quick").fine]


def test_of_several_shapes_to_start_from_the_one_wins_whose_result_agrees_best(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = carved_result()
    fit, begun = module.reconstruct, []

    def tried(views: Views, config: ReconConfig, warm: Reconstruction, **named: Any) -> Reconstruction:
        found = fit(views, config, warm=warm, **named)
        begun.append(warm.reason)
        quality = replace(found.shape.quality, loss={"own": 0.4, "theirs": 0.3, "round": 0.1}[warm.reason])
        return replace(found, reason=warm.reason, shape=replace(found.shape, quality=quality))

    monkeypatch.setattr(module, "reconstruct", tried)
    own, theirs = (replace(result, reason=name).to_bytes() for name in ("own", "theirs"))
    spun = replace(result, reason="round", verdict="rotational_symmetry").to_bytes()
    output = Workshop(OPTIONS).run(given(own, tuple(range(1100, 1108)), theirs, spun))
    assert begun == ["own", "theirs"], "no search can be continued from a surface of revolution"
    assert (output.reason, output.loss) == ("theirs", 0.3)


def asked_to_search(job: ReconInput) -> ReconInput:
    return replace(job, job=replace(job.job, kind="search"))


@pytest.mark.parametrize("stands", [True, False])
def test_a_shape_that_was_handed_down_has_to_stand_against_a_search(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    _, result = carved_result()
    fit, against = module.reconstruct, list[str]()

    def found(views: Views, known: Reconstruction, *_: object, **__: Any) -> tuple[Reconstruction, bool]:
        against.append(known.reason)
        return fit(views.take(np.arange(20))), stands

    monkeypatch.setattr(module, "challenge", found)
    larger, smaller = (replace(result, reason=name).to_bytes() for name in ("larger", "smaller"))
    output = Workshop(OPTIONS).run(given(None, (), larger, smaller))
    assert against == ["larger"] and output.warm == stands and output.held_out == 0 and FIELD in output.artifacts


@pytest.mark.parametrize("stands", [True, False])
def test_what_a_search_comes_to_is_judged_as_any_version(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    _, result = carved_result()
    fit, judges, against = module.reconstruct, tuple(range(1100, 1108)), list[Reconstruction]()

    def found(views: Views, known: Reconstruction, *_: object, **__: Any) -> tuple[Reconstruction, bool]:
        assert not set(views.ids.tolist()) & set(judges)
        against.append(known)
        return fit(views), stands

    monkeypatch.setattr(module, "challenge", found)
    output = Workshop(OPTIONS).run(asked_to_search(given(spoiled(result).to_bytes(), judges)))
    assert output.warm == stands and len(against) == 1 and FIELD in output.artifacts
    assert output.held_out > 4 and output.held_out_loss < output.baseline_loss < 1


def test_a_search_against_a_surface_of_revolution_is_a_cold_start(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = carved_result()
    fit, begun = module.reconstruct, list[object]()
    monkeypatch.setattr(module, "reconstruct", lambda views, *_, warm, **__: begun.append(warm) or fit(views))
    spun = replace(result, verdict="rotational_symmetry").to_bytes()
    output = Workshop(OPTIONS).run(asked_to_search(given(spun, tuple(range(1100, 1108)))))
    assert begun == [None] and not output.warm and FIELD in output.artifacts


def _none(views: Views) -> Reconstruction:
    return Reconstruction("thin_evidence", "views disagree", views.ids, None)


def test_nothing_is_handed_back_where_that_is_off(shown: list[Views], monkeypatch: pytest.MonkeyPatch) -> None:
    _, result = carved_result()
    monkeypatch.setattr(module, "find_misfits", lambda *_: [101])
    job = given(spoiled(result).to_bytes(), tuple(range(1100, 1108)))
    assert 101 in Workshop(OPTIONS).run(job).misfits
    assert Workshop(replace(OPTIONS, hand_back=False)).run(job).misfits == ()


@pytest.mark.parametrize("hand_back", [True, False])
def test_new_images_are_only_given_cameras_of_the_shape_there_is(
    shown: list[Views], monkeypatch: pytest.MonkeyPatch, hand_back: bool
) -> None:
    _, result = carved_result()
    new = make_scene(6, seed=5)
    views = replace(new.views, masks=new.views.masks.copy())
    views.masks[0] = 0  # nothing of the object is to be seen
    monkeypatch.setattr(Workshop, "_views", lambda self, given: views)
    samples = views.ids.tolist()
    job = ReconJob(1, 38, 1, 1.2, kind="register")
    output = Workshop(replace(OPTIONS, hand_back=hand_back)).run(
        ReconInput(job, samples, [], [], result.to_bytes(), (), ())
    )
    assert shown == [] and output.artifacts == {} and output.warm and output.seconds > 0
    assert [camera.sample for camera in output.cameras] == samples == output.samples
    assert not any(camera.fitted for camera in output.cameras)
    strangers = tuple(camera.sample for camera in output.cameras if camera.weight == 0)
    assert samples[0] in strangers and len(strangers) < 6
    assert output.misfits == (strangers if hand_back else ())
    nobody = Workshop(OPTIONS).run(ReconInput(job, [], [], [], result.to_bytes(), (), ()))
    assert nobody.cameras == [] and nobody.misfits == ()
    with pytest.raises(ReconstructionError, match="version 1 has no field"):
        Workshop(OPTIONS).run(ReconInput(job, samples, [], [], None, (), ()))
