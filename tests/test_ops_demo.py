from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops import demo
from ops.errors import StateError


def test_a_folder_with_something_else_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StateError, match="something else than a demo"):
        demo._start_afresh(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_earlier_demo_is_started_afresh(tmp_path: Path) -> None:
    demo._start_afresh(tmp_path / "demo")
    (tmp_path / "demo" / "old").write_text("")
    demo._start_afresh(tmp_path / "demo")
    assert not (tmp_path / "demo" / "old").exists()


def test_the_usual_port_gives_way_when_it_is_taken() -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", demo._PORT))
        except OSError:
            pass  # somebody else has it, which serves as well
        else:
            holder.listen()
        assert demo._pick_port() not in (0, demo._PORT)


@pytest.mark.parametrize("number", ["1", "999999999", "nonsense"])
def test_stopping_never_ends_a_process_that_is_not_the_page(tmp_path: Path, number: str) -> None:
    (tmp_path / demo._PID).write_text(number)
    demo.stop_page(tmp_path)
    assert not (tmp_path / demo._PID).exists()
    demo.stop_page(tmp_path)
