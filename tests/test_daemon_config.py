from __future__ import annotations

from pathlib import Path

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
