"""The daemon as a process: shards in, a library out, whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from daemon.correspond import PointFinder, PointQuery
from daemon.keypoints import read_keypoints
from daemon.query import ImageQuery
from index.form import PACKED_BYTES
from index.jobs import FORM
from index.library import open_library
from index.lock import FileLock
from index.stream.decode import decode_image
from index.stream.tar import read_samples
from ops.errors import StateError
from ops.synth.shards import write_shards
from tests.disk import fill, tiny_disk
from tests.read_only import may_confine, read_only_but
from tests.tars import add, add_sample, jpeg

ROOT = Path(__file__).parents[1]
SHAPES, VIEWS = 2, 24
# Images are counted against photos here, and now and then a part of a drawn thing passes for an object of its own.
ONE_EACH = ["--set", "stream.max_objects=1"]
# Batches so small that some are left when a run is killed, though it embeds two at once and commits them together.
QUIET = ["--no-api", "--no-metrics", "--set", "stream.batch_size=4", *ONE_EACH]
NO_SHAPES = ["--set", "recon.enabled=false"]
DRAFTS = [
    *("--set", "recon.min_views=8", "--set", "recon.effort=draft", "--set", "recon.growth=3"),
    *("--set", "recon.workers=1"),
]
PHOTOS = ("north", "a barn", "0007", "zebra", "gate")


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("crawl"), shapes=SHAPES, views=VIEWS, seed=1, per_shard=16)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", *arguments]


def shapelode(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)


def run(shards: Path, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return shapelode("run", "--shards", str(shards), "--state", str(state), "--json", *QUIET, *options)


def stored(state: Path) -> dict[str, int | None]:
    """Key -> cluster of every stored image; asserts that none is stored twice."""
    library = open_library(state)
    images = library.images(limit=1000).items
    library.close()
    assert len({i.key for i in images}) == len(images)
    return {i.key: i.cluster for i in images}


def stored_count(state: Path) -> int:
    try:
        return len(stored(state))
    except StateError:
        return 0


def kill_after(shards: Path, state: Path, images: int, number: int) -> subprocess.Popen[str]:
    """Starts a run and sends it a signal once it has stored so many images but not all."""
    process = subprocess.Popen(
        command("run", "--shards", str(shards), "--state", str(state), *QUIET, *NO_SHAPES),
        text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while stored_count(state) < images and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    assert images <= stored_count(state) < SHAPES * VIEWS, "the signal came too late to prove anything"
    return process


class Confined(NamedTuple):
    """What a run left, of what it was given to write to and of what not.

    Attributes:
        state: its state directory.
        temporary: names of what it wrote to its temporary folder.
        elsewhere: what it left in its working directory.
        enforced: whether the kernel would have refused all other places.
    """

    state: Path
    temporary: frozenset[str]
    elsewhere: tuple[Path, ...]
    enforced: bool


@pytest.fixture(scope="module")
def confined(crawl: Path, tmp_path_factory: pytest.TempPathFactory) -> Confined:
    """An uninterrupted run, with shapes and with all that it serves, that writes where a container lets it."""
    state, here = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("here")
    # Ray's sockets need a short path, and its processes may end a moment after the daemon.
    with tempfile.TemporaryDirectory(prefix="shapelode", dir="/tmp", ignore_cleanup_errors=True) as folder:
        enforced = may_confine(state)
        before = read_only_but([state, Path(folder)]) if enforced else []
        options = (*QUIET, "--api", "--port", "0", "--metrics", "--metrics-port", "0", *DRAFTS)
        result = subprocess.run(
            [*before, *command("run", "--shards", str(crawl), "--state", str(state), "--json", *options)],
            capture_output=True, text=True, timeout=300, cwd=here,
            env=os.environ | {"HOME": folder, "TMPDIR": folder, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        temporary = frozenset(path.name for path in Path(folder).iterdir())
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["images"] + json.loads(result.stdout)["rejected"] == SHAPES * VIEWS
    assert "metrics on http" in result.stderr
    return Confined(state, temporary, tuple(here.rglob("*")), enforced)


@pytest.fixture(scope="module")
def whole(confined: Confined) -> Path:
    """The state of an uninterrupted run, with shapes."""
    return confined.state


def test_a_daemon_writes_to_its_state_and_to_temporary_places_alone(confined: Confined) -> None:
    assert confined.elsewhere == ()
    # Ray's sockets, and what it keeps in its user's home, which is the temporary folder here as in the image.
    assert {"ray", ".ray"} <= confined.temporary
    if not confined.enforced:
        pytest.skip("mounts of its own are not allowed here: nothing but its working directory was looked at")


def test_where_a_container_does_not_let_it_nothing_could_have_been_written(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    if not may_confine(mine):
        pytest.skip("mounts of its own are not allowed here")
    attempt = f"touch {mine}/a /dev/shm/{tmp_path.name}-a && rm /dev/shm/{tmp_path.name}-a && ! touch {other} /x /tmp/x"
    done = subprocess.run([*read_only_but([mine]), "sh", "-c", attempt], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.count("Read-only file system") == 3, done.stderr
    assert (mine / "a").exists() and not other.exists()
    other.touch()  # and out here all is as it was


def test_every_image_is_stored_or_refused(whole: Path) -> None:
    library = open_library(whole)
    status = library.status()
    library.close()
    assert status.images + status.rejected == SHAPES * VIEWS
    assert status.shards == status.shards_done == 3


def tutorial() -> list[list[str]]:
    """The commands of the tutorial, in order."""
    page = (ROOT / "docs" / "tutorial.md").read_text()
    return [shlex.split(line) for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all commands of the tutorial were carried out, in order and as they stand on the page."""
    folder = tmp_path_factory.mktemp("taught")
    (folder / "photos").mkdir()
    for seed, key in enumerate(PHOTOS):
        (folder / "photos" / f"{key}.jpg").write_bytes(jpeg(seed))
        (folder / "photos" / f"{key}.json").write_text(json.dumps({"url": f"http://example.org/{key}"}))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Any free port does: what listens on the default ones here is none of the tutorial's.
    environment = os.environ | {"PATH": path, "SHAPELODE_API__PORT": "0", "SHAPELODE_METRICS__PORT": "0"}
    for line in tutorial():
        words = [first_shape(folder) if word == "SHAPE" else word for word in line]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (line, done.stderr)
    return folder


def first_shape(folder: Path) -> str:
    library = open_library(folder / "tutorial" / "library")
    shape = str(library.shapes().items[0].id)
    library.close()
    return shape


def test_the_commands_of_the_tutorial_work(taught: Path) -> None:
    made = {path.name for path in (taught / "tutorial").iterdir()}
    assert made >= {"shards", "library", "shape.glb", "shape.zip", "dataset", "backup"} and len(tutorial()) >= 13
    samples = list(read_samples(str(taught / "shards" / "0.tar")))
    assert [(one.key, one.url) for one in samples] == [(key, f"http://example.org/{key}") for key in sorted(PHOTOS)]
    assert all(one.image == (taught / "photos" / f"{one.key}.jpg").read_bytes() for one in samples)


def test_shapes_are_found(taught: Path) -> None:
    library = open_library(taught / "tutorial" / "library")
    status = library.status()
    assert status.shards == status.shards_done == 3
    attempted = [c for c in library.clusters(limit=100).items if c.attempts]
    assert attempted and all(c.verdict for c in attempted)
    assert status.shapes >= 1
    shape = library.shapes().items[0]
    assert 0 < shape.loss < 1 and library.artifact(shape.id, "mesh.ply").startswith(b"ply")
    assert len(library.artifact(shape.id, FORM)) == PACKED_BYTES
    assert len(library.cameras(shape.id)) >= 8
    library.close()


def test_points_can_be_followed_through_a_shape_and_its_keypoints_read(taught: Path) -> None:
    library = open_library(taught / "tutorial" / "library")
    shape = library.shapes().items[0].id
    found = read_keypoints(library, shape)
    sight = found.images[0]
    number = sight.visible.index(True)
    query = ImageQuery(library, decode_image)
    asked = PointQuery(sight.image, (sight.pixels[number],), found.points[:2], refine=True)
    followed = PointFinder(library, query.backbone)(shape, asked).items
    library.close()
    assert len(found.points) == 24 and {end for edge in found.edges for end in edge} == set(range(24))
    assert [len(item.places) for item in followed] == [len(found.images)] * 3
    # Where this image shows a keypoint, the pixel leads to the keypoint, as far as it was drawn to its look there.
    assert np.linalg.norm(np.subtract(followed[0].point, found.points[number])) < 0.4
    assert any(place.visible for place in followed[0].places)


def test_running_again_skips_what_is_done(crawl: Path, whole: Path) -> None:
    before = stored(whole)
    result = run(crawl, whole, *NO_SHAPES)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["images"] == 0
    assert "skipping 3 finished shards" in result.stderr
    assert stored(whole) == before


def test_asked_to_stop_and_killed_twice_it_ends_as_if_never_interrupted(
    crawl: Path, whole: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    assert kill_after(crawl, tmp_path, 8, signal.SIGTERM).returncode == 0
    assert time.monotonic() - began < 120
    for _ in range(2):
        before = stored(tmp_path).keys()
        assert kill_after(crawl, tmp_path, len(before) + 1, signal.SIGKILL).returncode == -signal.SIGKILL
        assert before < stored(tmp_path).keys()
    result = run(crawl, tmp_path, *NO_SHAPES)
    assert result.returncode == 0, result.stderr
    assert "continuing" in result.stderr
    assert stored(tmp_path) == stored(whole)


def test_bad_input_is_counted_and_never_stops_the_stream(tmp_path: Path) -> None:
    shard, torn = tmp_path / "0.tar", tmp_path / "1.tar"
    with tarfile.open(shard, "w") as tar:
        add_sample(tar, "broken", b"\xff\xd8 not a jpeg")
        add_sample(tar, "tiny", jpeg(size=(1, 1)))
        add_sample(tar, "wide", jpeg(size=(40_000, 20)))
        add_sample(tar, "cmyk", jpeg(mode="CMYK"))
        add(tar, "../x.jpg", jpeg())
        add_sample(tar, "blank", jpeg(size=(64, 64)))
    torn.write_bytes(shard.read_bytes()[:700])
    state = tmp_path / "state"
    result = run(tmp_path / "{0,1}.tar", state, *NO_SHAPES, "--shards", "pipe:cat /etc/passwd")
    assert result.returncode == 0, result.stderr
    answer = json.loads(shapelode("status", "--state", str(state), "--json").stdout)
    reasons = answer["rejects_by_reason"]
    for reason in ("broken_image", "too_small", "too_large", "unsafe_name", "truncated_tar"):
        assert reasons[reason] == 1, reason
    assert reasons["forbidden_url"] == 1
    assert answer["images"] + answer["rejected"] == 8


def test_a_full_disk_ends_a_run_or_pauses_it_and_costs_nothing(crawl: Path, whole: Path, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 32) as disk:
        ballast = fill(disk)
        os.truncate(ballast, ballast.stat().st_size - 2**20)
        impatient = run(crawl, disk / "state", *NO_SHAPES, "--set", "store.space_wait_s=0")
        assert impatient.returncode == 1
        assert [line for line in impatient.stderr.splitlines() if "error: no space left" in line]
        assert "Traceback" not in impatient.stderr
        assert 0 < stored_count(disk / "state") < SHAPES * VIEWS
        process = subprocess.Popen(
            command("run", "--shards", str(crawl), "--state", str(disk / "state"), *QUIET, *NO_SHAPES),
            text=True, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        assert any("waiting up to 600 s" in line for line in process.stderr)
        ballast.unlink()
        _, rest = process.communicate(timeout=120)
        assert process.returncode == 0 and "the disk takes writes again" in rest
        assert stored(disk / "state") == stored(whole)


def test_a_second_daemon_on_one_directory_is_refused(crawl: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / "daemon.lock"):
        refused = run(crawl, tmp_path, *NO_SHAPES)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"shapelode: error: {tmp_path} is in use by another daemon (process {os.getpid()})"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--shards", "none/*.tar"], 1, "no shard matches"),
        (["--shards", "{shard}", "--backbone", "nonsense"], 1, "unknown backbone"),
        (["--shards", "{shard}", "--set", "stream.nonsense=1"], 2, "unknown configuration key"),
        (["--shards", "{shard}", "--state", "/proc/nowhere"], 1, "cannot write to the state directory"),
    ],
)
def test_what_cannot_work_is_one_line_and_a_code(
    crawl: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    shard = str(crawl / "00000.tar")
    result = shapelode("run", "--state", str(tmp_path), *QUIET, *(a.format(shard=shard) for a in arguments))
    assert result.returncode == code
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in result.stderr
