from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ops.bench.trickle import Settings, trickle
from ops.bench.truth import load_truth
from ops.errors import NotFoundError, SourceError
from ops.synth.shards import write_shards


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=5, per_shard=4, size=32)
    return folder


def files(folder: Path) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                found.append((member.name, content.read()))
    return found


def test_the_same_images_come_in_smaller_shards_one_after_the_other(data: Path, tmp_path: Path) -> None:
    waits: list[float] = []
    seen: list[int] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        seen.append(len(list(tmp_path.glob("*.tar"))))

    assert trickle(data, tmp_path, Settings(images=3, every_s=100.0), lambda line: None, sleep) == 10
    assert files(tmp_path) == files(data / "shards")
    assert seen == [0, 1, 2, 3] and sorted(path.name for path in tmp_path.iterdir())[-1] == "00003.tar"
    assert waits == pytest.approx([0, 100, 200, 300], abs=50)


def test_only_images_of_named_shapes_come(data: Path, tmp_path: Path) -> None:
    truth = load_truth(data)
    name = truth.shapes[0]
    assert trickle(data, tmp_path, Settings((name,), 2, 0.0), lambda line: None) == 5
    assert {file.split(".")[0] for file, _ in files(tmp_path)} == {image.key for image in truth.of_shape(name)}
    with pytest.raises(SourceError, match="already holds"):
        trickle(data, tmp_path, Settings(), lambda line: None)
    with pytest.raises(NotFoundError):
        trickle(data, tmp_path / "new", Settings(("teapot",)), lambda line: None)
    with pytest.raises(SourceError, match="no shards"):
        trickle(tmp_path, tmp_path / "other", Settings(), lambda line: None)
