PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo demo-stop test gltf-validator prometheus chromium page page-build docs soak lint hooks audit clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(READY)  ## make the virtual environment with the pinned dependencies

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,dev]'
	@touch $@

demo: $(READY)  ## mine shapes from a procedural stream, end to end
	$(BIN)/python -m ops.demo --state demo-state

demo-stop: $(READY)  ## stop the library page the demo left running
	$(BIN)/python -m ops.demo --state demo-state --stop

# Tests that start daemons run two files at a time: they mostly wait. Alerts count seconds, so theirs have the machine alone.
test: $(READY)  ## run the tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --ignore-glob='*/test_end_to_end*'
	$(BIN)/python -m pytest -n 2 --dist loadfile $(filter-out %_alerts.py,$(wildcard tests/test_end_to_end*.py))
	$(BIN)/python -m pytest tests/test_end_to_end_alerts.py

gltf-validator:  ## install Khronos' glTF validator for the tests, if Node is there
	@if command -v npm >/dev/null; then cd tests/gltf && npm ci --silent --no-audit --no-fund; \
	else echo "npm is not installed: the test that runs the glTF validator will be skipped"; fi

prometheus:  ## install Debian's Prometheus for the tests, if this is Debian and we may
	@if command -v promtool >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && \
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends prometheus >/dev/null; \
	else echo "Prometheus can't be installed here: the tests that run it will be skipped"; fi

chromium:  ## install Debian's Chromium for the tests, if this is Debian and we may
	@if command -v chromium >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; \
	else echo "Chromium can't be installed here: the tests of the page in a browser will be skipped"; fi

page:  ## install what builds the page, if Node is there, and check the types of its sources
	@if command -v npm >/dev/null; then cd ops/page && npm ci --silent --no-audit --no-fund && npm run --silent check; \
	else echo "npm is not installed: the tests that build the page, or look for barriers in it, will be skipped"; fi

page-build: page  ## build the page into daemon/page
	cd ops/page && npm run --silent build

docs: $(READY)  ## build the docs site into build/site
	$(BIN)/python -m mkdocs build --strict -f ops/mkdocs.yml -d $(CURDIR)/build/site

soak: $(READY)  ## two minutes of random faults on the running daemon
	$(BIN)/python -m ops.bench soak --minutes 2 --fault-s 6 --shard-s 8

lint: $(READY)  ## lint, check formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

hooks: $(READY)  ## have git check each commit with what CI lints
	$(BIN)/pre-commit install --config .ci/pre-commit.yaml

audit: $(READY)  ## check the installed packages
	$(BIN)/python -m ops.audit

clean:  ## remove the environment and the demo's state
	rm -rf $(VENV) demo-state
