"""What is one thing, what is cut off and what is a collage, on drawn saliency."""

from __future__ import annotations

import numpy as np
import pytest

from index.backbones.objects import CUT_OFF, Found, edge_contact, find_objects, has_seam, own_part, screen
from index.views import CROP_SIZE
from ops.errors import RejectError

SIDE = 140
GREY = np.full((SIDE, SIDE, 3), 90, np.uint8)
Part = tuple[slice, slice]
LEFT, RIGHT = (slice(40, 90), slice(15, 55)), (slice(50, 95), slice(85, 125))


def saliency(*parts: Part, bridge: float = 0.0) -> np.ndarray:
    drawn = np.full((SIDE, SIDE), 0.02, np.float32)
    if bridge:
        drawn[60:64, 20:120] = bridge
    for part in parts:
        drawn[part] = 0.95
    return drawn


def found(*parts: Part, bridge: float = 0.0) -> list[Found]:
    objects = find_objects(saliency(*parts, bridge=bridge), (280, 140))
    assert isinstance(objects, list)
    return objects


@pytest.mark.parametrize("drawn", [np.zeros((140, 140), np.float32), np.ones((140, 140), np.float32)])
def test_nothing_standing_out_is_a_rejection(drawn: np.ndarray) -> None:
    rejection = find_objects(drawn, (300, 200))
    assert isinstance(rejection, RejectError) and rejection.reason == "no_foreground"


def test_a_speck_is_no_object() -> None:
    assert isinstance(find_objects(saliency((slice(10, 15), slice(10, 15))), (140, 140)), RejectError)


def test_things_that_stand_apart_are_several_the_largest_first() -> None:
    one, other = found(RIGHT, LEFT)
    assert one.region[LEFT].all() and other.region[RIGHT].all()
    assert not (one.region & other.region).any()
    assert np.array_equal(one.others, other.region) and np.array_equal(other.others, one.region)
    assert (one.box[0] + one.box[2]) / 2 == pytest.approx(70) and (one.box[1] + one.box[3]) / 2 == pytest.approx(65)


def test_parts_that_something_faint_joins_are_one_thing() -> None:
    assert len(found(LEFT, RIGHT, bridge=0.03)) == 2
    (one,) = found(LEFT, RIGHT, bridge=0.2)
    assert one.region[LEFT].all() and one.region[RIGHT].all() and not one.others.any()


def test_parts_with_a_slit_between_them_are_one_thing() -> None:
    assert len(found((slice(40, 90), slice(20, 68)), (slice(40, 90), slice(70, 118)))) == 1


def test_what_is_small_beside_the_largest_is_left_out() -> None:
    assert len(found(LEFT, (slice(100, 115), slice(100, 115)))) == 1


def test_contact_is_the_share_of_a_side_that_lies_on_the_edge() -> None:
    region = np.zeros((100, 100), bool)
    region[40:60, 30:70] = True
    assert edge_contact(region) == 0
    region[60:, 30:40] = True  # a leg that stands on the edge
    assert edge_contact(region) == pytest.approx(0.25)
    region[60:, 30:70] = True
    assert edge_contact(region) == 1


def test_an_object_that_runs_over_the_edge_is_refused_if_there_is_no_other() -> None:
    over = (slice(30, 80), slice(0, 50))
    rejection = screen(found(over), GREY)
    assert isinstance(rejection, RejectError) and rejection.reason == "cut_off" and "100%" in rejection.detail
    kept = screen(found(over, RIGHT), GREY)
    assert isinstance(kept, list) and len(kept) == 1 and kept[0].region[RIGHT].all()
    assert edge_contact(kept[0].region) < CUT_OFF


def panels(rng: np.random.Generator, *, gutter: int = 0, transposed: bool = False) -> np.ndarray:
    """Two textured pictures side by side, or one above the other."""
    image = rng.integers(0, 30, (SIDE, SIDE, 3)).astype(np.uint8)
    image[:, 70:] += 150
    if gutter:
        image[:, 70 - gutter // 2 : 70 + gutter // 2] = 255
    return image.transpose(1, 0, 2) if transposed else image


@pytest.mark.parametrize("gutter", [0, 6])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_seam_between_objects_makes_a_collage(gutter: int, transposed: bool) -> None:
    image = panels(np.random.default_rng(0), gutter=gutter, transposed=transposed)
    parts = [(part[1], part[0]) if transposed else part for part in (LEFT, RIGHT)]
    rejection = screen(found(*parts), image)
    assert isinstance(rejection, RejectError) and rejection.reason == "collage"


def test_a_line_that_an_object_crosses_or_that_parts_nothing_is_no_seam() -> None:
    image = panels(np.random.default_rng(0))
    crossing = (slice(20, 60), slice(40, 110))
    regions = [one.region for one in found(crossing, (slice(80, 120), slice(85, 125)))]
    assert len(regions) == 2 and not has_seam(image, regions)
    left = [one.region for one in found((slice(20, 60), slice(10, 50)), (slice(85, 125), slice(10, 50)))]
    assert len(left) == 2 and not has_seam(image, left)
    apart = [one.region for one in found(LEFT, RIGHT)]
    assert not has_seam(GREY, apart)
    assert not has_seam(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8), apart)


def test_a_crop_is_shared_out_by_distance() -> None:
    one, other = found(LEFT, RIGHT)
    mine = own_part(one, (140, 280))
    assert mine.shape == (CROP_SIZE, CROP_SIZE) and mine[CROP_SIZE // 2, CROP_SIZE // 2]
    wide = Found((0.0, -70.0, 280.0, 210.0), one.region, one.others)
    assert own_part(wide, (140, 280))[112, 40] and not own_part(wide, (140, 280))[112, 180]
    assert own_part(found(LEFT)[0], (140, 280)).all()
    assert (own_part(wide, (140, 280)) | own_part(Found(wide.box, other.region, other.others), (140, 280))).all()
