"""The history of a shape: as figures, and as a picture of its versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.cli.entry import run_command
from daemon.strip import draw_strip, facts, frames
from index.library import Library, open_library
from index.rollback import Rollback
from ops.errors import NotFoundError
from tests.batches import open_ingest
from tests.states import EAGER, SHAPED, busy_state, due_job, restless, shape_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, a candidate, and back to the first one."""
    made = busy_state(tmp_path_factory.mktemp("strip"), edits=False)
    ingest = open_ingest(made)
    for one in restless("/crawl/f.tar", 160, 32, seed=320):
        ingest.commit(one)
    job = due_job(ingest, SHAPED, EAGER)
    ingest.publish(shape_of(ingest.recon_input(job, EAGER), 0.5, 0.4))
    ingest.edit(Rollback(SHAPED, 1))
    ingest.close()
    return made


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    opened = open_library(folder)
    yield opened
    opened.close()


def test_each_version_tells_what_judged_it_and_which_images_are_new(library: Library) -> None:
    shown = frames(library, SHAPED, candidates=True)
    assert [frame.version.version for frame in shown] == [1, 2, 3, 4]
    first, second, third, fourth = (facts(frame.version, frame.gained) for frame in shown)
    assert first[1:] == ["nothing to compare it with", "level 0.300"]
    assert second[2] == "loss 0.200 < 0.350" and second[-1].startswith("level 0.17")
    assert third[1].endswith("against v2") and third[2] == "loss 0.500 >= 0.400" and len(third) == 3
    assert fourth[1:] == ["rolled back to v1", "level 0.300"]
    fits = [{camera.image for camera in library.cameras(SHAPED, number)} for number in (1, 2)]
    assert shown[0].gained == len(fits[0]) and shown[1].gained == len(fits[1] - fits[0]) > 0
    assert 0 < len(shown[1].crops) <= 8
    assert [frame.version.version for frame in frames(library, SHAPED)] == [1, 2, 4]


def test_the_strip_shows_every_version_and_wraps(library: Library) -> None:
    shown = frames(library, SHAPED)
    strip = np.asarray(draw_strip(shown))
    third = strip.shape[1] // 3
    assert all((part < 200).any() for part in (strip[:, :third], strip[:, third : 2 * third], strip[:, 2 * third :]))
    many = draw_strip(shown * 5)
    assert many.height == 3 * strip.shape[0] and many.width > strip.shape[1]


def test_a_shape_without_versions_has_no_history(library: Library) -> None:
    shapeless = next(cluster.id for cluster in library.clusters().items if not cluster.version and not cluster.attempts)
    with pytest.raises(NotFoundError, match="no version to show yet"):
        frames(library, shapeless)


def test_the_shell_shows_and_draws_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "strip.png"
    code = run_command(["history", str(SHAPED), "--candidates", "--strip", str(target), "--state", str(folder)])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "") and "candidate" in out and f"{target.name}: 4 versions" in out.replace("\n", "")
    with Image.open(target) as picture:
        assert picture.width > 4 * 256
    run_command(["history", str(SHAPED), "--json", "--state", str(folder)])
    assert [item["version"] for item in json.loads(capsys.readouterr().out)["items"]] == [1, 2, 4]
    assert run_command(["history", "999", "--state", str(folder)]) == 1
    assert "there is no shape 999" in capsys.readouterr().err
