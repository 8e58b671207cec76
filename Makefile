# Skyline: `make help` lists what can be made. Only Python 3.11+, pip and make are assumed.
.DEFAULT_GOAL := help
.PHONY: help setup run serve dev accuracy test test-slow pytest check fault fuzz leak bench docs ducklake services lock audit sbom licences profiling.pyz clean

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# As pip would, by uv where it can: it takes a third of the time. What is never imported is not compiled.
PIP := $(BIN)/python deploy/install.py
INSTALL := $(PIP) -c constraints.txt --no-build-isolation -e
# Every file is the one that was locked, by its digest; the project itself is added beside them, fetching nothing.
LOCKED := $(PIP) --no-deps --require-hashes -r
OURSELVES := $(PIP) --no-deps --no-build-isolation -e
SOURCE ?= bundled
# What Python compiles it keeps, whatever the environment says: nothing is compiled anew by each of a hundred processes.
export PYTHONDONTWRITEBYTECODE :=
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

$(VENV)/installed: $(VENV)/pyvenv.cfg pyproject.toml locks/base.txt
	@echo "Installing Skyline into $(VENV) (a few minutes the first time)"
	$(LOCKED) locks/base.txt
	$(OURSELVES) .
	@touch $@

# Where no GPU is, a wheel of torch on this machine (pip's find-links) is taken before the one for CUDA of 3 GB.
TORCH_OF_HERE := command -v nvidia-smi >/dev/null || $(PIP) --no-index --no-deps torch >/dev/null 2>&1 || true

$(VENV)/installed-test: $(VENV)/pyvenv.cfg pyproject.toml locks/test.txt
	@echo "Installing Skyline and what its tests need into $(VENV) (a few minutes the first time); a torch that is there stays"
	$(LOCKED) locks/test.txt
	@$(TORCH_OF_HERE)
	$(INSTALL) '.[test]'
	@touch $(VENV)/installed $@

$(VENV)/installed-with-%: $(VENV)/installed
	@$(if $(filter profiling,$*),$(TORCH_OF_HERE))
	$(INSTALL) '.[$*]'
	@touch $@

$(VENV)/installed-slow: $(VENV)/installed-test
	$(INSTALL) '.[slow]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(INSTALL) '.[bench]'
	@touch $@

setup: $(VENV)/installed ## Install into .venv

# WITH=profiling: torch beside it, and the prompt form for the checkpoints of a folder.
WITH ?=
CHECKPOINTS := $(if $(filter profiling,$(WITH)),SKYLINE_MEASURE_CHECKPOINTS=$${SKYLINE_MEASURE_CHECKPOINTS:-checkpoints})

run: $(VENV)/installed $(WITH:%=$(VENV)/installed-with-%) ## Refresh from SOURCE (bundled, online, a file or folder), then serve; WITH=profiling offers a prompt
	@$(CHECKPOINTS) $(BIN)/skyline up $(foreach source,$(SOURCE),--source $(source))

serve: $(VENV)/installed ## Serve the published pages
	@$(BIN)/skyline serve

dev: $(VENV)/installed ## Dagster's web interface: lineage, runs, schedule, sensor
	@$(BIN)/skyline dagster

check: $(VENV)/installed-test ## Lint, format, types, and whether the Dagster definitions load
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/dagster definitions validate -w workspace.yaml

test: $(VENV)/installed-test ## `check`, and all tests except the slow ones, in parallel
	@$(MAKE) --no-print-directory -j2 check pytest

# In the order of tests/conftest.py; the ten slowest are printed.
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder --durations 10

pytest: $(VENV)/installed-test
	$(PYTEST) -m 'not slow'

test-slow: $(VENV)/installed-slow .ducklake/installed ## Slow tests: folders of real files, sweeps, every page on a phone
	$(PYTEST) -m slow

ROWS ?= ../shared/data/measured_public ../shared/data/serving/silicon_rows.csv
accuracy: $(VENV)/installed ## Compare predictions with published measurements in ROWS; fails when a gate is broken
	$(BIN)/skyline accuracy
	$(BIN)/skyline accuracy $(ROWS) --gates

fault: $(VENV)/installed-test ## Kill 200 writers, 200 refreshes of seconds and 10 of everything; readers see only complete releases, the next refresh succeeds (an hour)
	SKYLINE_FAULTS=200 $(BIN)/pytest tests/crash -s -n 0

fuzz: $(VENV)/installed-test ## Break ten thousand files for every reader; each gives rows, rejected rows or one of our errors
	$(BIN)/python -m tests.fuzz --cases 10000

leak: $(VENV)/installed-test ## Open and close twenty thousand pages; nothing may be left behind
	SKYLINE_LEAK_SESSIONS=20000 $(BIN)/pytest tests/pages/test_leak.py -s -n 0

bench: $(VENV)/installed-bench ## Timings as ratios to peers, measured in one run
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

services: $(VENV)/installed ## The services of deploy/compose.yaml without containers: Dagster, its daemon, pages, interface
	$(INSTALL) '.[deploy]'
	@$(BIN)/python deploy/services.py

lock: $(VENV)/installed ## Rewrite locks/ from pyproject.toml and constraints.txt; UPGRADE='dagster duckdb' takes their newest versions
	$(PIP) -c constraints.txt uv
	PATH="$(BIN):$$PATH" $(BIN)/python -m deploy.supply lock --upgrade $(UPGRADE)

audit: $(VENV)/installed ## Known vulnerabilities of locked packages (queries PyPI's advisory database; fails if it cannot be reached)
	$(PIP) --quiet pip-audit
	@for lock in locks/*.txt; do echo "== $$lock"; $(BIN)/pip-audit --strict --disable-pip --require-hashes -r $$lock || { \
		echo "Where it says 'could not be audited', PyPI's advisories cannot be reached from here: nothing was looked up,"; \
		echo "and nothing is known to be safe. Else the vulnerabilities are those above."; exit 1; }; done

sbom: $(VENV)/installed ## Bill of materials of installed packages (CycloneDX), into sbom.json
	@$(BIN)/python -m deploy.supply sbom > sbom.json && echo sbom.json

licences: $(VENV)/installed ## Every dependency and its licence
	@$(BIN)/python -m deploy.supply licences

# DuckDB 2.0 has no extension for a DuckLake yet; this Python's DuckDB does, and publishes for the other.
.ducklake/installed: locks/ducklake.txt
	$(PYTHON) -m venv .ducklake
	.ducklake/bin/python deploy/install.py --require-hashes -r locks/ducklake.txt
	@touch $@

ducklake: .ducklake/installed ## A separate Python that publishes to a DuckLake, for SKYLINE_DUCKLAKE_PYTHON

docs: $(VENV)/installed-slow ## The documentation, into site/; strict, without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

profiling.pyz: $(VENV)/installed ## The profiler as one file, to copy to a GPU node
	@$(BIN)/skyline profile zipapp --out $@

clean: ## Remove the virtual environment and caches; data in .skyline stays
	rm -rf $(VENV) .ducklake *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
