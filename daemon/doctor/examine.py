"""All checks in order, each of which may fail without keeping the others from being made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from daemon.config import Config, load_config
from daemon.doctor import machine, settings, state
from daemon.doctor.base import Check, Finding, fine
from ops.errors import ConfigError


def examine(
    folder: Path,
    config_file: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    *,
    deep: bool = False,
    env: Mapping[str, str] = os.environ,
    tell: Callable[[str], None] = lambda name: None,
) -> Iterator[Finding]:
    """Looks at an installation, a machine, a configuration and a state directory; changes none of them.

    Args:
        folder: the state directory, which need not exist.
        config_file: a TOML file.
        overrides: values by dotted key.
        deep: load the backbone as well.
        env: the environment.
        tell: told of the check that is made.

    Yields:
        what was found.
    """
    config = Config()
    try:
        config = load_config(config_file, overrides, env)
        yield fine("configuration", str(config_file or "defaults, environment and flags"))
    except ConfigError as error:
        yield Finding(
            "configuration", "problem", str(error), "`shapelode config` lists all keys; defaults are used below"
        )
    for name, check in _checks(folder, config, env, deep):
        tell(name)
        yield from _guarded(name, check)


def _checks(folder: Path, config: Config, env: Mapping[str, str], deep: bool) -> Iterator[tuple[str, Check]]:
    wanted = {config.backbone.device, config.recon.device}
    shares = config.backbone.embedders * config.backbone.num_gpus + config.reconstructors() * config.recon.num_gpus
    yield "python", machine.python
    yield "packages", machine.packages
    yield "faiss", machine.faiss
    if not config.ray.address:  # in a cluster the devices are on other nodes
        yield "gpu", lambda: machine.devices(wanted, shares)
        yield "shared memory", lambda: machine.shared_memory(config.ray.object_store_mib * 2**20)
    yield "memory", machine.memory
    yield "open files", machine.open_files
    yield "listeners", lambda: settings.listeners(config, dict(env))
    yield "ray", lambda: settings.cluster(config)
    yield "state directory", lambda: state.directory(folder)
    yield "library", lambda: state.library(folder, config)
    if deep:
        yield "backbone", lambda: state.weights(folder, config)


def _guarded(name: str, check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # a check that breaks is a finding as well: this is where things are broken
        yield Finding(name, "problem", f"the check itself broke: {error!r}", "please report it")
