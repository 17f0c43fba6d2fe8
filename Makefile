# make benchmark   everything, from data to report          make test   the tests
# make setup       the environment alone                    make help   all targets
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?= config/default.yaml
export PATH := $(CURDIR)/$(BIN):$(PATH)

# The lock is for Linux on x86_64; elsewhere pip resolves the direct dependencies anew.
ifeq ($(shell uname -sm),Linux x86_64)
INSTALL := --no-deps -r requirements.lock
else
INSTALL := -r requirements.in
endif

.PHONY: benchmark test setup lint docs audit campaign-kill campaign-fuzz campaign-plan help
.DEFAULT_GOAL := help

benchmark: setup ## set up, pull the data, run everything, print the leaderboard
	@python -m benchmark pull
	@snakemake --cores all --config run=$(CONFIG)
	@python -m benchmark show --config $(CONFIG)

# A test process for each core (more than eight would only wait for each other).
test: setup ## set up, pull the data, run the tests
	@python -m benchmark pull
	@python -m pytest -q --numprocesses=logical --maxprocesses=8 --dist=worksteal

setup: $(VENV)/installed ## make .venv and install the locked dependencies

$(VENV)/installed: requirements.in requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing dependencies into $(VENV) (about 7 GB, minutes)'
	@python -m pip install --disable-pip-version-check --progress-bar on $(INSTALL)
	@touch $@

lint: setup ## check style and workflow
	ruff check .
	ruff format --check .
	lint-imports
	snakefmt --check workflow
	snakemake --lint

docs: setup ## write the documentation as a site, site/index.html
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo 'site/index.html'

audit: setup ## look the locked packages up among the known vulnerabilities (needs a network)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && \
		$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

campaign-kill: setup ## kill a run's verbs, whole workflows and pulls at random moments (docs/robustness.md)
	@python -m tests.campaigns.killed
	@python -m tests.campaigns.killed_workflow
	@python -m tests.campaigns.killed_pull

campaign-fuzz: setup ## feed wrong files to everything that reads one (docs/robustness.md)
	@python -m tests.campaigns.fuzz

campaign-plan: setup ## measure how long the workflow takes to plan many jobs
	@python -m tests.campaigns.planning

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'
