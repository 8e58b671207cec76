# Skyline: `make help` lists what can be made. Only Python 3.11+, pip and make are assumed.
.DEFAULT_GOAL := help
.PHONY: help setup run serve dev test test-slow check fault fuzz leak bench docs services profiling.pyz clean

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# What is never imported need not be compiled: half the time of an installation.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --progress-bar off --no-compile -c constraints.txt -e
SOURCE ?= bundled
# What dependencies would tell their makers, they do not.
export DAGSTER_DISABLE_TELEMETRY := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0
export DO_NOT_TRACK := 1

help: ## List the targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Skyline needs Python 3.11 or newer; set PYTHON=… to one."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing Skyline into $(VENV) (a few minutes the first time)"
	$(INSTALL) .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing what the tests need"
	$(INSTALL) '.[test]'
	@touch $@

$(VENV)/installed-slow: $(VENV)/installed-test
	$(INSTALL) '.[slow]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(INSTALL) '.[bench]'
	@touch $@

setup: $(VENV)/installed ## Install into .venv

run: $(VENV)/installed ## Refresh from SOURCE (bundled, online, a file or folder), then serve the dashboards
	@$(BIN)/skyline up $(foreach source,$(SOURCE),--source $(source))

serve: $(VENV)/installed ## Serve what was published
	@$(BIN)/skyline serve

dev: $(VENV)/installed ## Dagster's web interface: lineage, runs, schedule, sensor
	@$(BIN)/skyline dagster

check: $(VENV)/installed-test ## Lint, format, types, and whether the Dagster definitions load
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/dagster definitions validate -w workspace.yaml

test: check ## `check`, and all tests but the slow ones
	$(BIN)/pytest -n auto --dist loadfile -m 'not slow'

test-slow: $(VENV)/installed-slow ## Tests that take long: whole folders of real files, sweeps, every page on a phone
	$(BIN)/pytest -n auto --dist loadfile -m slow

fault: $(VENV)/installed-test ## Kill writers at 200 random moments; what readers then see must be whole
	SKYLINE_FAULTS=200 $(BIN)/pytest tests/crash -s -n 0

fuzz: $(VENV)/installed-test ## Break ten thousand files for every reader; each ends in rows, rejected rows or one error of ours
	$(BIN)/python -m tests.fuzz --cases 10000

leak: $(VENV)/installed-test ## Open and close twenty thousand pages; what they leave behind must be nothing
	SKYLINE_LEAK_SESSIONS=20000 $(BIN)/pytest tests/pages/test_leak.py -s -n 0

bench: $(VENV)/installed-bench ## Timings as ratios to peers, measured in one run
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

services: $(VENV)/installed ## The services of deploy/compose.yaml without containers: Dagster, its daemon, pages, interface
	$(INSTALL) '.[deploy]'
	@$(BIN)/python deploy/services.py

docs: $(VENV)/installed-slow ## The documentation, into site/; strict, without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

profiling.pyz: $(VENV)/installed ## Measured profiling as one file, to copy to a GPU node
	@$(BIN)/skyline profile zipapp --out $@

clean: ## Remove the virtual environment and caches; data in .skyline stays
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
