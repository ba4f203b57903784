from __future__ import annotations

from threading import Event, Thread

import pytest

from index.gate import Gate
from ops.errors import StateError


def test_many_pass_together_and_one_waits_until_they_have_left() -> None:
    gate, order = Gate(), []
    entered, leave = Event(), Event()

    def stay() -> None:
        with gate.shared():
            entered.set()
            leave.wait(10)
            order.append("left")

    def change() -> None:
        with gate.alone():
            order.append("alone")

    first, second = Thread(target=stay), Thread(target=change)
    first.start()
    assert entered.wait(10)
    with gate.shared():
        pass
    second.start()
    leave.set()
    first.join(10)
    second.join(10)
    assert order == ["left", "alone"]
    with gate.shared():
        pass


def test_one_who_never_leaves_is_told_of_and_nobody_is_locked_out() -> None:
    gate = Gate(wait_s=0.01)
    with gate.shared(), pytest.raises(StateError, match="has gone on"), gate.alone():
        pass
    with gate.shared():
        pass
    with gate.alone():
        pass


def test_an_error_inside_opens_the_gate_again() -> None:
    gate = Gate()
    with pytest.raises(RuntimeError), gate.alone():
        raise RuntimeError
    with pytest.raises(RuntimeError), gate.shared():
        raise RuntimeError
    with gate.alone():
        pass
