# Two commands do all the set-up: `make demo` and `make test`. Both use the one environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
RUN ?= runs/unmask-lite0
MODEL := src/unmask/weights/unmask-lite0.onnx

.PHONY: demo test model results benchmark axe clean

demo: .venv/core
	$(BIN)/unmask detect examples

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The shipped model, from labelled pictures to a card with test figures (about an hour on two cores).
model: .venv/dev
	$(BIN)/unmask train --data $(DATA)/manifest.csv --out $(RUN) \
	    --config recipes/unmask-lite0/train.yaml
	$(BIN)/unmask export $(RUN) --out $(MODEL) --about recipes/unmask-lite0/about.json
	$(BIN)/unmask calibrate $(MODEL) --data $(DATA)/manifest.csv
	$(MAKE) results

results: .venv/dev
	$(BIN)/unmask evaluate --data $(DATA)/manifest.csv --markdown docs/results.md --into-card

benchmark: .venv/dev
	$(BIN)/python benchmarks/speed.py

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,serve,dev]'
	touch $@
