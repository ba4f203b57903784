from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from actors.cameras import camera_records
from index.reading import camera_summary
from index.records import CameraRecord
from recon import Alternatives, Cameras
from tests.recon_scene import make_scene, true_cameras


def doubted(cameras: Cameras) -> Cameras:
    """The cameras with two alternatives each, the second of which weighs nothing."""
    count = len(cameras.R)
    R, t = (np.stack([getattr(cameras, name)[::-1]] * 2, 1) for name in ("R", "t"))
    fov, offset = np.full((count, 2), np.radians(30), np.float32), np.full((count, 2, 2), 0.25, np.float32)
    weight = np.tile(np.array([0.375, 0], np.float32), (count, 1))
    others = Alternatives(np.full(count, 0.5, np.float32), R, t, fov, offset, weight)
    return replace(cameras, alternatives=others)


def test_a_record_holds_what_the_camera_says_and_the_alternatives_that_weigh_something() -> None:
    cameras = doubted(true_cameras(make_scene(4)))
    records = camera_records([7, 8, 9, 10], cameras, {8})
    assert [record.sample for record in records] == [7, 8, 9, 10]
    assert [record.fitted for record in records] == [False, True, False, False]
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(records), type=list[CameraRecord])
    shown = [camera_summary(record) for record in back]
    assert np.allclose([each.R for each in shown], cameras.R) and np.allclose([each.t for each in shown], cameras.t)
    assert [each.fov for each in shown] == pytest.approx(np.degrees(cameras.fov).tolist())
    for each, opposite in zip(shown, cameras.R[::-1], strict=True):
        assert each.certainty == 0.5
        (other,) = each.alternatives
        assert np.allclose(other.R, opposite) and other.fov == pytest.approx(30)
        assert other.offset == (0.25, 0.25) and other.weight == 0.375


def test_of_cameras_without_alternatives_nothing_is_said() -> None:
    (record,) = camera_records([3], true_cameras(make_scene(1)), ())
    shown = camera_summary(record)
    assert shown.certainty is None and shown.alternatives == ()
    assert b"certainty" not in msgspec.msgpack.encode(record)
