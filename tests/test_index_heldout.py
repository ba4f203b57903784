from __future__ import annotations

import pytest

from index.heldout import held_out


def test_judges_are_images_that_are_new_to_the_shape() -> None:
    drawn = held_out(range(40), set(range(16)))
    assert len(drawn) == 6 and set(drawn) <= set(range(16, 40)) and drawn == sorted(drawn)
    assert held_out(range(16), set(range(16))) == []


def test_the_same_images_give_the_same_judges_in_whatever_order_they_come() -> None:
    images = list(range(100, 148))
    assert held_out(images, set()) == held_out(images[::-1], set()) == held_out([*images, *images], set())


def test_one_that_judged_mostly_judges_again_when_more_have_come() -> None:
    early, late = held_out(range(48), set()), held_out(range(96), set())
    assert set(late) - set(early) and len(set(early) & set(late)) >= len(early) / 2


def test_so_many_are_left_that_a_fit_is_possible() -> None:
    few = held_out(range(40), set(), 3)
    assert len(few) == 3 and set(few) <= set(held_out(range(40), set()))
    assert held_out(range(40), set(), -2) == []


def test_what_is_fitted_to_nothing_new_is_judged_by_more() -> None:
    fresh = set(range(20, 30))
    assert set(held_out(range(30), set(range(20)), least=8)) < fresh and len(held_out(range(30), set(range(20)))) == 4
    assert len(held_out(range(30), set(range(20)), least=8)) == 8 and held_out(range(30), set(range(20)), 2, 8) != []
    assert set(held_out(range(23), set(range(20)), least=8)) == {20, 21, 22}
    assert len(held_out(range(400), set(), least=8)) == 32


@pytest.mark.parametrize(("fresh", "judges"), [(0, 0), (1, 1), (2, 1), (4, 2), (8, 4), (16, 4), (24, 6), (400, 32)])
def test_few_images_are_judged_by_four_or_half_of_them_and_many_by_a_quarter_up_to_a_bound(
    fresh: int, judges: int
) -> None:
    assert len(held_out(range(fresh), set())) == judges
