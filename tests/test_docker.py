"""Images, compose file and unit: all that can be shown of them without an engine."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from daemon.cli.app import app
from daemon.cli.entry import load_commands
from daemon.config import load_config
from docker.requirements import requirements
from ops.audit import pins
from tests.dockerfile import DOCKER, ROOT, STAGES, TOKEN_FILE, Builder, environment, exec_form, parse, settings
from tests.prometheus import needs_prometheus

COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def test_hadolint_has_no_complaint() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", DOCKER / "Dockerfile"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("", 0)


def test_hadolint_would_complain(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && pip install torch\nUSER root\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", bad], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and {"DL3007", "DL3013", "DL3003"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_images_run_as_nobody_in_particular_with_a_probe_and_valid_settings(target: str) -> None:
    assert STAGES[target].base == "runtime"
    runtime = STAGES["runtime"]
    assert runtime.all("USER") == ["10001:10001"] and runtime.all("STOPSIGNAL") == ["SIGTERM"]
    assert "/healthz" in runtime.all("HEALTHCHECK")[0] and exec_form(runtime.all("ENTRYPOINT")[0]) == ["shapelode"]
    assert not any("apt-get" in run for stage in STAGES.values() for run in stage.all("RUN"))
    config = load_config(env=settings(environment(target)))
    assert config.api.host == config.metrics.host == "0.0.0.0" and config.logs.format == "json"
    assert (config.recon.num_gpus > 0) == (target == "gpu")
    assert not any(
        base.endswith(":latest") or ":" not in base for base in {s.base for s in STAGES.values()} - {*STAGES}
    )


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {word for text in STAGES["build"].all("COPY") for word in text.split()[:-1]}
    assert copied == allowed and all((ROOT / path).exists() for path in copied)


def test_every_requirement_of_the_image_is_pinned() -> None:
    pinned = pins((ROOT / "constraints.txt").read_text())
    needed = requirements((ROOT / "pyproject.toml").read_text(), ["cpu"])
    names = {re.split(r"[\[<>=!~ ]", one)[0].lower().replace("_", "-") for one in needed}
    assert len(names) > 25 and names - set(pinned) == set()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"][0] in needed


def test_the_steps_of_the_dockerfile_make_an_installation_that_works(tmp_path: Path) -> None:
    """The RUN and COPY lines themselves, in clean folders; the pinned packages are those of this environment.

    pip is kept off the network, so whatever the lines ask for beyond what the constraints name makes them fail.
    """
    root, tools = tmp_path / "root", tmp_path / "tools"
    tools.mkdir()
    packages = Path(yaml.__file__).parents[1]
    # A `python` as the base image has it, whose virtual environments find the packages that are installed here.
    (tools / "python").write_text(
        f'#!/bin/sh\n"{sys.executable}" "$@" || exit 1\n'
        'if [ "$2" = venv ]; then cd "$3"/lib/python3*/site-packages && rm -rf setuptools* pkg_resources *distutils*; '
        f'echo "{packages}" > installed.pth; fi\n'
    )
    (tools / "python").chmod(0o755)
    builder = Builder(ROOT, root, {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), **OFFLINE})
    builder.build(STAGES["build"])
    assert len(builder.ran) == 2
    command = root / "opt" / "shapelode" / "bin" / "shapelode"
    _found_by_login_shells(builder, root)
    shutil.rmtree(root / "src")  # the final image holds the installation alone
    where = "import daemon, index.store as store; print(daemon.__file__); print(store.__file__)"
    python = command.with_name("python")
    done = subprocess.run([python, "-c", where], capture_output=True, text=True, cwd="/",
                          env={"HOME": "/tmp"}, check=True)  # fmt: skip
    assert all(line.startswith(str(root)) for line in done.stdout.splitlines())
    site = next((root / "opt" / "shapelode" / "lib").glob("python*")) / "site-packages"
    assert (site / "daemon" / "page" / "index.html").exists()
    assert all((site / name / "py.typed").exists() for name in ("daemon", "actors", "index", "recon", "ops"))
    assert list((site / "index" / "backbones").glob("*.safetensors"))
    shown = subprocess.run([command, "config", "--json"], capture_output=True, text=True, cwd="/",
                           env={**settings(environment("cpu")), "HOME": "/tmp"}, check=True)  # fmt: skip
    assert '"host": "0.0.0.0"' in shown.stdout


def _found_by_login_shells(builder: Builder, root: Path) -> None:
    """Carries out the line of the final image that links commands, and looks for them without the image's PATH."""
    (links,) = (line for line in STAGES["runtime"].all("RUN") if "ln -s" in line)
    for folder in ("usr/local/bin", "etc/profile.d"):
        (root / folder).mkdir(parents=True)
    builder.run(links)
    system, bin_folder = root / "usr" / "local" / "bin", root / "opt" / "shapelode" / "bin"
    found = {link.name: link.readlink() for link in system.iterdir()}
    assert found == {name: bin_folder / name for name in ("ray", "shapelode")}
    assert {one.name for one in entry_points(group="console_scripts")} >= set(found)
    shell = {"PATH": f"{system}:/usr/bin:/bin", "HOME": "/tmp"}
    subprocess.run(["sh", "-c", "shapelode --help"], env=shell, cwd="/", check=True, capture_output=True)
    script = f". {root}/etc/profile.d/shapelode.sh; command -v python"
    done = subprocess.run(["sh", "-c", script], env=shell, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(bin_folder / "python")


def test_an_index_of_torch_is_passed_to_the_image_for_processors_alone() -> None:
    (argument,) = (text.partition("=")[0] for text in STAGES["build"].all("ARG"))
    assert COMPOSE["services"]["shapelode"]["build"]["args"] == {argument: f"${{{argument}:-}}"}
    on_top = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())
    assert on_top["services"]["shapelode"]["build"]["args"] == {argument: ""}


def test_the_base_image_may_be_given_by_its_digest() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    assert [line for line in text.splitlines() if line.startswith("ARG PYTHON_IMAGE=")]
    other = parse(text.replace("=python:3.11.11-slim-bookworm", "=python@sha256:" + 64 * "0"))
    assert {stage.base for stage in other} - {*STAGES} == {"python@sha256:" + 64 * "0"}


def test_the_compose_files_are_valid() -> None:
    for name in ("compose.yaml", "compose.gpu.yaml"):
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DOCKER / name).read_text())  # as the engine does
        assert PyCompose.from_yaml(text).to_dict()["services"]
    with pytest.raises(ValueError, match="nonsense"):
        PyCompose.from_yaml("services:\n  a:\n    image: a\n    nonsense: 1\n")


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_locked_down_and_what_it_mounts_exists(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for volume in service["volumes"]:
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith("${CRAWL") or (DOCKER / source).exists(), volume
    if name == "shapelode":
        assert load_config(env=service["environment"]).api.token_file == "/run/secrets/token"
        assert service["build"]["target"] in STAGES


@needs_prometheus
def test_the_scraper_of_the_compose_file_loads_the_rules(tmp_path: Path) -> None:
    config = (DOCKER / "prometheus.yml").read_text().replace("/run/secrets/token", str(tmp_path / "token"))
    (tmp_path / "token").write_text("secret")
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copytree(ROOT / "ops" / "prometheus" / "rules", tmp_path / "rules")
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0 and "2 rule files found" in done.stdout, done.stderr


def test_the_scraper_of_the_compose_file_asks_the_daemon() -> None:
    (job,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    (group,) = job["static_configs"]
    daemon = load_config(env=settings(environment("cpu")))
    assert group["targets"] == [f"shapelode:{daemon.metrics.port}"] and "shapelode" in COMPOSE["services"]
    assert job["authorization"] == {"credentials_file": COMPOSE["services"]["shapelode"]["environment"][TOKEN_FILE]}


def test_the_unit_calls_commands_that_exist_and_is_locked_down() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DOCKER / "shapelode.service").read_text())
    service = unit["Service"]
    load_commands()
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for key in ("ExecStart", "ExecStartPre"):
        program, command, *_ = service[key].split()
        assert program == "/opt/shapelode/bin/shapelode" and command in known
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes" and service["User"] != "root"


def verified(unit: Path) -> str:
    """What systemd has to say of a unit; nothing of one that it understands as a whole."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian's package `systemd`)")
    done = subprocess.run([tool, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DOCKER / "shapelode.service").read_text().replace("/opt/shapelode/bin/shapelode", "/bin/true")
    unit = tmp_path / "shapelode.service"
    unit.write_text(text)
    assert verified(unit) == ""
    unit.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=tight\nProtectSystems=strict"))
    assert "tight" in verified(unit) and "ProtectSystems" in verified(unit)


def test_the_configuration_for_several_machines_is_one_and_the_docs_show_it() -> None:
    config = load_config(DOCKER / "several.toml", env={})
    backbone, recon = config.backbone, config.recon
    assert backbone.embedders * backbone.num_gpus + recon.workers * recon.num_gpus == 6  # as its head and the docs say
    assert config.stream.readers > 1 and config.stream.in_flight >= 2 * backbone.embedders * backbone.batches_at_once
    assert backbone.device == recon.device == "auto"
    _, _, content = (DOCKER / "several.toml").read_text().partition("\n\n")
    assert f"```toml\n{content}```" in (ROOT / "docs" / "deployment.md").read_text()
