from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.config import Config, describe, load_config
from ops.errors import ConfigError


def test_precedence_rises_from_file_over_environment_to_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[stream]\nbatch_size = 1\nreaders = 2\nin_flight = 3\n")
    env = {"SHAPELODE_STREAM__READERS": "20", "SHAPELODE_STREAM__IN_FLIGHT": "30", "SHAPELODE_STATE": "x"}
    config = load_config(file, {"stream.in_flight": 300, "stream.max_side": None}, env)
    assert (config.stream.batch_size, config.stream.readers, config.stream.in_flight) == (1, 20, 300)
    assert config.stream.max_side == Config().stream.max_side


@pytest.mark.parametrize(
    ("overrides", "env", "message"),
    [
        ({"stream.nonsense": 1}, {}, "unknown configuration key 'stream.nonsense'"),
        ({"nonsense": 1}, {}, "unknown configuration key 'nonsense'"),
        ({}, {"SHAPELODE_STREAM__NONSENSE": "1"}, "unknown configuration key 'stream.nonsense'"),
        ({"stream.batch_size": 0}, {}, "stream.batch_size"),
        ({"recon.effort": "heroic"}, {}, "recon.effort"),
        ({"stream.batch_size": "many"}, {}, "stream.batch_size"),
    ],
)
def test_what_is_wrong_is_named(overrides: dict[str, object], env: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, overrides, env)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[stream\n", "[stream]\nnonsense = 1\n", "stream = 1\n"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load_config(file, env={})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.toml", env={})


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    for key, _, default, description in describe():
        assert description, key
        row = next((line for line in page.splitlines() if line.startswith(f"| `{key}` |")), None)
        assert row is not None, f"{key} is missing in docs/configuration.md"
        assert description in row and f"`{default}`" in row


@pytest.mark.parametrize(
    ("cores", "memory_gib", "taken"), [(1, 24, 1), (2, 24, 2), (4, 24, 2), (16, 128, 8), (64, 24, 8), (2, 2, 1)]
)
def test_as_many_reconstructors_as_suit_a_machine_without_a_gpu(
    cores: int, memory_gib: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=memory_gib * 2**30))
    assert load_config(env={}).reconstructors() == taken


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ({"recon.workers": 5}, 5),
        ({"recon.num_gpus": 0.5}, 1),
        ({"recon.device": "cuda:1"}, 1),
        ({"ray.address": "10.0.0.1:6379"}, 1),
        ({"recon.enabled": False, "recon.workers": 5}, 0),
    ],
)
def test_as_many_reconstructors_as_are_told_and_one_where_there_is_a_gpu(
    told: dict[str, Any], taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert load_config(overrides=told, env={}).reconstructors() == taken
