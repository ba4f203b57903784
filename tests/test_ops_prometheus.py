"""The rules: valid, tested by promtool's own unit tests, and about metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ops import metrics
from tests.prometheus import ASSETS, RULES, needs_prometheus

ROOT = Path(__file__).parents[1]
UNIT_TESTS = ASSETS / "tests" / "alerts.yml"
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120)


def rules(kind: str) -> dict[str, str]:
    """Expressions by the name of the alert or of what is recorded."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule[kind]: rule["expr"] for group in groups for rule in group["rules"] if kind in rule}


def metric_names() -> set[str]:
    """Every series there may be, recorded ones among them."""
    names = {one.name for one in metrics.definitions()}
    names |= {one.name + end for one in metrics.definitions() if one.kind == "histogram" for end in OF_HISTOGRAMS}
    return names | set(rules("record"))


def used(expr: str) -> set[str]:
    """Metrics that an expression asks for."""
    return set(re.findall(r"[a-z_]*:?shapelode_[a-z0-9_]+(?::[a-z0-9_]+)*", expr))


def test_rules_ask_only_for_what_is_measured_or_recorded() -> None:
    asked = {name for kind in ("record", "alert") for expr in rules(kind).values() for name in used(expr)}
    assert len(asked) > 20
    assert asked - metric_names() == set()


def test_every_alert_says_what_to_do_on_the_page_of_operations() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.M)
    assert headings == list(rules("alert"))
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
                    assert rule["labels"]["severity"] in ("critical", "warning", "info")


@needs_prometheus
def test_promtool_accepts_configuration_and_rules() -> None:
    checked = promtool("check", "config", ASSETS / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checked = promtool("check", "rules", *RULES)
    assert checked.returncode == 0 and f"{len(rules('alert'))} rules found" in checked.stdout


@needs_prometheus
def test_each_alert_fires_on_its_fault_alone_and_never_on_a_healthy_series() -> None:
    done = promtool("test", "rules", UNIT_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    text = UNIT_TESTS.read_text()
    for alert in rules("alert"):
        assert f'alertname="{alert}"' in text


@needs_prometheus
@pytest.mark.parametrize("broken", ["too eager", "never"])
def test_the_unit_tests_notice_alerts_that_are_wrong(tmp_path: Path, broken: str) -> None:
    shutil.copytree(ASSETS, tmp_path / "prometheus")
    path = tmp_path / "prometheus" / "rules" / "alerts.yml"
    content = yaml.safe_load(path.read_text())
    for rule in content["groups"][0]["rules"]:
        rule["expr"] = "vector(1) > 2" if broken == "never" else "vector(1)"
        rule.pop("for", None)
    path.write_text(yaml.safe_dump(content))
    unit_tests = tmp_path / "prometheus" / "tests" / "alerts.yml"
    cases = yaml.safe_load(unit_tests.read_text())
    # Of the fault cases for "never", of the healthy ones for "too eager": the others could not notice.
    cases["tests"] = [case for case in cases["tests"] if _expects_alerts(case) == (broken == "never")]
    cases["tests"].sort(key=lambda case: case["promql_expr_test"][-1]["eval_time"] == "8h")  # the longest
    cases["tests"] = cases["tests"][:-1]
    unit_tests.write_text(yaml.safe_dump(cases))
    done = promtool("test", "rules", unit_tests)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("expr: ") >= len(cases["tests"])


def _expects_alerts(case: dict[str, list[dict[str, object]]]) -> bool:
    return any(check["exp_samples"] for check in case["promql_expr_test"])
