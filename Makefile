# Two commands do all the set-up: `make demo` and `make test`. Both use the one environment in .venv.
# What takes longer is a recipe: recipes/reports.sh makes every report anew.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint axe clean

demo: .venv/core
	$(BIN)/unmask detect examples

# One thread a process: the tests run many processes, and threads that wait for one another cost more
# than they bring.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Lets the browser tests check accessibility too; they skip that, loudly, where axe is not there.
axe:
	npm install --no-save --no-package-lock --no-audit --no-fund axe-core

clean:
	rm -rf .venv runs build dist

.venv/python:
	$(PYTHON) -m venv .venv
	touch $@

.venv/core: .venv/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/dev: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,media,serve,scale,dev]'
	touch $@
