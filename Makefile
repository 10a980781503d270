PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SECONDS ?= 600
FOUND ?= .segserver/fuzz

.PHONY: demo test test-all soak fuzz corpus mutants check serve bench clean

demo: $(VENV)/core
	$(BIN)/segserver demo

test: check
	$(BIN)/pytest -q -n 2

test-all: $(VENV)/dev
	$(BIN)/pytest -q -n 2 -m long

soak: $(VENV)/dev
	$(BIN)/pytest -q -m soak

fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz $(SECONDS) $(FOUND)

corpus: $(VENV)/dev
	$(BIN)/python -m tests.fuzz.keep $(FOUND)

mutants: $(VENV)/dev
	$(BIN)/python -m tests.oracle.mutants 200 1 tests/oracle/MUTANTS.md

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

serve: $(VENV)/core
	$(BIN)/segserver serve

bench: $(VENV)/dev
	$(BIN)/python -m tests.bench

$(VENV)/core: setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/dev: $(VENV)/core
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	touch $@

$(VENV)/fuzz: $(VENV)/dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	touch $@

clean:
	rm -rf $(VENV) .segserver build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
