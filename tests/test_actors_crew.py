from __future__ import annotations

import os
from typing import Any

import pytest
import ray

from actors import crew
from ops.errors import ConfigError


def test_a_ray_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(**options: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because")

    monkeypatch.setattr(ray, "init", too_late)
    with pytest.raises(ConfigError, match=r"^cannot start on a local Ray: The current node timed out[^\n]*$"):
        crew.start_ray("", 1, 80, 1.0)


@pytest.mark.parametrize(("address", "joined"), [("", "local"), ("127.0.0.1:6379", "127.0.0.1:6379")])
def test_without_an_address_ray_is_started_and_none_that_runs_is_joined(
    address: str, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(ray, "init", lambda **options: given.update(options))
    crew.start_ray(address, num_cpus=1, object_store_mib=100, needed_cpus=2.5)
    assert given["address"] == joined
    assert given.get("num_cpus") == (None if address else 3)


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_workers_of_a_local_ray_wait_asleep_and_this_process_as_before(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if own is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", own)
    monkeypatch.setattr(ray, "init", lambda **options: seen.append(os.environ.get("OMP_WAIT_POLICY")))
    crew.start_ray("", num_cpus=1, object_store_mib=100, needed_cpus=1.0)
    assert seen == [own or "PASSIVE"] and os.environ.get("OMP_WAIT_POLICY") == own
