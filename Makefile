# `make help` lists the targets. They need only Python >= 3.11 and access to the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run smoke bench catchup prove prove-short prove-mutants mutate test test-unit capabilities check fmt lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/'

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: PYTHON=/path/to/python3.11 make $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## create the virtual environment with the locked packages

run: $(STAMP) ## start the whole system and show it live; with the sandbox, process a demo day of orders
	$(BIN)/tillbridge run

smoke: $(STAMP) ## send 200 orders and their shipments through the whole system and check each; build/smoke.json
	$(BIN)/python -m tests.smoke

bench: $(STAMP) ## measure throughput, latency, API calls and memory against their goals; build/bench.json
	$(BIN)/python -m tests.bench

prove: $(STAMP) ## SEED=7 MINUTES=10 FAULTS=kill,...: inject faults under load, check every guarantee; build/proof.json
	$(BIN)/python -m tests.prove

prove-mutants: $(STAMP) ## SHORT=1 ONLY='ledger,...': disable one defence at a time, the proof must fail; build/mutants.json
	$(BIN)/python -m tests.prove.mutants

catchup: $(STAMP) ## measure how fast the backlog of an outage is processed while live orders arrive; build/catchup.json
	$(BIN)/python -m tests.catchup

mutate: $(STAMP) ## CORES='lanes watermark': mutation tests of the pure cores, 85 % must be killed; build/mutation.json
	$(BIN)/python -m tests.mutation $(CORES)

# Each worker starts its own broker and database; tests mostly wait, so there are more workers than cores.
WORKERS ?= 4

test: $(STAMP) ## run unit, contract, integration and end-to-end tests against a real broker and database
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-unit: $(STAMP) ## run the unit tests, which need no server
	$(BIN)/python -m pytest -n auto --dist worksteal tests/unit

prove-short: $(STAMP) ## run three minutes of the proof and a few of its mutants
	$(BIN)/python -m pytest tests/proofs

capabilities: $(STAMP) ## run the tests that prove a capability, write docs/capabilities.md; fails if a claim has no passing test
	WORKERS=$(WORKERS) $(BIN)/python -m tests.capabilities

check: $(STAMP) ## check format, lint and types, as CI does
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fmt: $(STAMP) ## fix format and lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP) ## resolve the locked versions again, with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header requirements-build.in -o requirements-build.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev --extra build pyproject.toml -o requirements-dev.lock

clean: ## remove generated files, except the data of real accounts (build/data/accounts)
	rm -rf build/data/sandbox build/logs build/*.json $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
