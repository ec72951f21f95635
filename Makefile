# `make help` lists the verbs. Python >= 3.11 and the package registries are all they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run smoke bench catchup prove prove-short prove-mutants mutate test test-unit capabilities check fmt lock clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/'

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: PYTHON=/path/to/python3.11 make $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## make the virtual environment with the locked packages

run: $(STAMP) ## start everything, send a first day of orders through, show them live
	$(BIN)/tillbridge run

smoke: $(STAMP) ## 200 orders and their shipments through the whole system; build/smoke.json
	$(BIN)/python -m tests.smoke

bench: $(STAMP) ## measure ingress, drain, calls and memory; build/bench.json
	$(BIN)/python -m tests.bench

prove: $(STAMP) ## SEED=7 MINUTES=10 FAULTS=kill,...: plugs are pulled, nothing is lost or doubled; build/proof.json
	$(BIN)/python -m tests.prove

prove-mutants: $(STAMP) ## SHORT=1 ONLY='ledger,...': one defence off at a time, each time the proof fails; build/mutants.json
	$(BIN)/python -m tests.prove.mutants

catchup: $(STAMP) ## an outage, and how fast it is caught up while live orders come in; build/catchup.json
	$(BIN)/python -m tests.catchup

mutate: $(STAMP) ## CORES='lanes watermark': the cores broken in every small way, 85 % noticed; build/mutation.json
	$(BIN)/python -m tests.mutation $(CORES)

# Each worker starts a broker and a database of its own; tests mostly wait, so there are more workers than cores.
WORKERS ?= 4

test: $(STAMP) ## unit, contract, integration and end-to-end tests, against a real broker and a real database
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-unit: $(STAMP) ## the tests that need no server
	$(BIN)/python -m pytest -n auto --dist worksteal tests/unit

prove-short: $(STAMP) ## three minutes of the proof, and a few of the mutants that it must notice
	$(BIN)/python -m pytest tests/proofs

capabilities: $(STAMP) ## run the tests that prove a capability; docs/capabilities.md, fails where a claim has no proof
	WORKERS=$(WORKERS) $(BIN)/python -m tests.capabilities

check: $(STAMP) ## format, lint, types: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fmt: $(STAMP) ## repair format and lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP) ## resolve the exact versions anew, with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header requirements-build.in -o requirements-build.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev --extra build pyproject.toml -o requirements-dev.lock

clean: ## remove what was made here, but the data of real accounts (build/data/accounts)
	rm -rf build/data/sandbox build/logs build/*.json $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
