# make benchmark   everything, from data to report          make test   the tests
# make setup       the environment alone                    make help   all targets
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?= config/default.yaml
# Groups of packages in pyproject.toml. GROUPS: those to install with 'run', as in
# make setup GROUPS="remotes cluster"
GROUPS :=
ALL_GROUPS := run cluster docs lint references remotes test ui
GROUPS_BESIDE_RUN := $(filter-out run,$(ALL_GROUPS))
EXTRAS := --extra run --extra pyiqa # of pyproject.toml: the packages of a run
# A name in lower case would be ignored, and a wrong group be noticed after minutes of installing.
$(foreach name,config groups python options,$(if $(filter command,$(origin $(name))),$(error \
	'$(name)=$($(name))' has no effect: write CONFIG, GROUPS, PYTHON, OPTIONS in capitals)))
UNKNOWN_GROUPS := $(filter-out $(ALL_GROUPS),$(GROUPS))
$(if $(UNKNOWN_GROUPS),$(error GROUPS=$(UNKNOWN_GROUPS): there is no such group. Choose from: $(ALL_GROUPS)))
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Snakemake's cache, if the user has no home that can be written to (benchmark/core/environment.py).
ifneq ($(shell test -d "$$HOME" && test -w "$$HOME" && echo yes),yes)
export XDG_CACHE_HOME ?= $(CURDIR)/.cache/libraries
endif

.PHONY: benchmark test setup lint docs lock audit campaign-kill campaign-fuzz campaign-plan campaign-edit campaign-conditions campaign-workflows campaign-photos help
.NOTPARALLEL: # one pip at a time
.DEFAULT_GOAL := help

benchmark: setup ## set up, pull the data, run everything, print the leaderboard
	@python -m benchmark pull
	@snakemake --cores all --config run=$(CONFIG)
	@python -m benchmark show --config $(CONFIG)

# A test process for each core (more than eight would only wait for each other).
test: setup $(VENV)/installed-test ## set up, pull the data, run the tests
	@python -m benchmark pull
	@python -m pytest -q --numprocesses=logical --maxprocesses=8 --dist=worksteal

setup: $(VENV)/installed-run $(GROUPS:%=$(VENV)/installed-%) ## make .venv, install the packages of a run and of GROUPS
	@test '$(MAKECMDGOALS)' != setup || \
		echo "$(VENV) is ready. Activate it with 'source $(BIN)/activate', or run all with 'make benchmark'."

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...'; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: requirements/%.lock | $(BIN)/python
	@echo 'Installing the packages of $< into $(VENV)'
	@python -m pip install --disable-pip-version-check --progress-bar on \
		--no-deps --require-hashes -r $<
	@touch $@

lint: setup $(VENV)/installed-lint ## check style and workflow
	ruff check .
	ruff format --check .
	lint-imports
	snakefmt --check workflow
	snakemake --lint

docs: setup $(VENV)/installed-docs ## write the documentation with the reference report as a site, site/index.html
	@python -m benchmark pull
	@python -m benchmark comparisons results/reference
	@python -m benchmark report results/reference
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet
	@echo 'site/index.html'

lock: $(BIN)/python ## pin the packages of pyproject.toml in requirements/ (needs a network)
	@test -x $(VENV)/uv/bin/uv || { $(PYTHON) -m venv $(VENV)/uv && \
		$(VENV)/uv/bin/pip install --quiet --disable-pip-version-check uv; }
	@cat requirements/*.lock > $(VENV)/all.lock # uv keeps these versions; OPTIONS=--upgrade takes new ones
	@$(VENV)/uv/bin/uv pip compile --quiet $(OPTIONS) pyproject.toml $(EXTRAS) \
		$(GROUPS_BESIDE_RUN:%=--group %) --output-file $(VENV)/all.lock
	@$(VENV)/uv/bin/uv pip compile --quiet pyproject.toml $(EXTRAS) \
		--constraints $(VENV)/all.lock --output-file requirements/run.lock
	@$(foreach group,$(GROUPS_BESIDE_RUN),$(VENV)/uv/bin/uv pip compile --quiet --group $(group) \
		--constraints $(VENV)/all.lock --output-file requirements/$(group).lock &&) true

audit: $(BIN)/python ## look the locked packages up among the known vulnerabilities (needs a network)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && \
		$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip \
		$(ALL_GROUPS:%=--requirement requirements/%.lock)

campaign-kill: setup $(VENV)/installed-test ## kill a run's verbs, whole workflows and pulls at random moments (docs/robustness.md)
	@python -m tests.campaigns.killed
	@python -m tests.campaigns.killed_workflow
	@python -m tests.campaigns.killed_pull

campaign-fuzz: setup $(VENV)/installed-test ## feed wrong files to everything that reads one (docs/robustness.md)
	@python -m tests.campaigns.fuzz

campaign-plan: setup $(VENV)/installed-test ## measure how long the workflow takes to plan many jobs
	@python -m tests.campaigns.planning

campaign-photos: setup $(VENV)/installed-test ## compare tiles of large photos that decide alone and that follow the whole (docs/choices.md)
	@python -m tests.campaigns.large_photos

campaign-edit: setup $(VENV)/installed-test ## edit settings, data and sources at random, and compare the boards (docs/robustness.md)
	@python -m tests.campaigns.edited

campaign-conditions: setup $(VENV)/installed-test ## run with other cores, threads and settings, and compare bit by bit (docs/robustness.md)
	@python -m tests.campaigns.determinism

campaign-workflows: setup $(VENV)/installed-test ## run whole workflows that take too long for the tests (docs/robustness.md)
	@python -m pytest -q -n 0 tests/campaigns/workflows.py

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'
