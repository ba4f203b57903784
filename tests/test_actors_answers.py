from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, RayTaskError

from actors import answers
from ops.errors import NotFoundError, WorkerError


def raising(error: Exception) -> Any:
    def get(refs: object) -> object:
        raise error

    return get


def task_error(cause: Exception) -> RayTaskError:
    return RayTaskError("run", f"Traceback\n{type(cause).__name__}: {cause}", cause)


def test_what_an_actor_raises_on_purpose_comes_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get", raising(task_error(NotFoundError("no cluster 3"))))
    with pytest.raises(NotFoundError, match="no cluster 3"):
        answers.get("ref")


def test_what_breaks_in_an_actor_is_one_line_and_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get", raising(task_error(TypeError("x" * 1000))))
    with pytest.raises(WorkerError) as caught:
        answers.get("ref")
    assert not caught.value.died and "\n" not in str(caught.value)
    assert "TypeError" in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("error", [ActorDiedError(), ActorUnavailableError("gone", None), RayError("lost")])
def test_a_death_is_told_as_one(error: RayError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get", raising(error))
    with pytest.raises(WorkerError, match="a worker died") as caught:
        answers.get("ref")
    assert caught.value.died and "\n" not in str(caught.value)
