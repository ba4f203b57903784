from __future__ import annotations

from threading import Event

from daemon.periodic import every


def test_acts_again_and_again_until_the_context_ends() -> None:
    calls: list[int] = []
    thrice = Event()

    def act() -> None:
        calls.append(1)
        if len(calls) == 3:
            thrice.set()

    with every(0.001, act):
        assert thrice.wait(60)
    after = len(calls)
    assert not Event().wait(0.02) and len(calls) == after


def test_a_context_that_ends_first_waits_for_nothing() -> None:
    calls: list[int] = []
    with every(1000, lambda: calls.append(1)):
        pass
    assert calls == []
