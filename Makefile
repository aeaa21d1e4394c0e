# make help says what there is. PYTHON=/path/to/python3.11 chooses the interpreter, PYTEST="-x -k name" passes options on,
# TESTS=tests/e2e chooses files.
SHELL := bash
BIN := .venv/bin
PYTEST ?=
TESTS ?= tests
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev test test-slow test-all check-self lint demo benchmark lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup:  ## Install what Forge needs to run, into .venv
	@scripts/setup runtime

setup-dev:  ## Install also what its tests need
	@scripts/setup dev
	@scripts/setup-tests

demo: setup  ## The whole story on this machine: push, rejection, canary, rollback (ARGS=--exit stops it at the end)
	@$(BIN)/forge demo $(ARGS)

lint: setup-dev  ## Layout, lint, types and layers of Forge itself
	@echo "==> ruff format";  $(BIN)/ruff format --check --quiet . || { echo "  -> run: $(BIN)/ruff format ."; exit 1; }
	@echo "==> ruff check";   $(BIN)/ruff check --quiet .
	@echo "==> mypy";         $(BIN)/mypy
	@echo "==> lint-imports"; $(BIN)/lint-imports --no-cache --no-logo 2>/dev/null || $(BIN)/lint-imports --no-cache

RUN := $(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test: lint  ## Everything but the slow tests
	@echo "==> pytest"; $(RUN) -m "not slow" $(PYTEST)

test-slow: setup-dev  ## The slow tests: real suites, builds, scans and registries; the whole demo
	@echo "==> pytest, slow"; $(RUN) -m slow --timeout 900 $(PYTEST)

test-all: test test-slow  ## Every test

check-self: setup  ## Forge's own gates on a clean clone of this repository's HEAD
	@scripts/check-self

benchmark: setup-dev  ## Measure what DESIGN promises (wants a quiet machine)
	@for file in benchmarks/*.py; do echo "==> $$file"; $(BIN)/python $$file || code=1; done; exit $${code:-0}

lock:  ## Resolve the locks anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  $(LOCK) -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  $(LOCK) -o requirements-dev.lock -c requirements.lock --group dev pyproject.toml
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate $(LOCK) -o requirements-build.lock -

clean:  ## Remove what was installed and made here (not Forge's home, ~/.forge)
	@rm -rf .venv tests/npm/node_modules tests/reports dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
