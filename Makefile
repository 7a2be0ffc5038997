# Two commands do all the set-up: `make demo` and `make test`. Both use the one environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data

.PHONY: demo test results robustness unseen recipes faults benchmark faithfulness peers axe clean

demo: .venv/core
	$(BIN)/unmask detect examples

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# Figures of `unmask left-out KIND --folds FILE`, shown where they are there.
FOLDS := $(wildcard benchmarks/leave-one-*-out.json)

results: .venv/dev
	$(BIN)/unmask evaluate --data $(DATA)/manifest.csv --markdown reports/results/results.md --into-card \
	    $(FOLDS:%=--folds %)

# What the model loses on degraded pictures (about eight minutes of one core; --most 16 is twice that).
robustness: .venv/dev
	$(BIN)/unmask robustness --data $(DATA)/manifest.csv --markdown reports/robustness/robustness.md

# The shipped model on generators and cameras that no training knows: reports/unseen/unseen.md. The pictures come
# out of packages of PyPI and Debian (apt-get and dpkg-deb are needed; half a minute, 460 MB).
UNSEEN := runs/unseen
TEMPLATES := comfyui-workflow-templates-media
unseen: .venv/core $(UNSEEN)/manifest.csv
	$(BIN)/unmask evaluate --data $(UNSEEN)/manifest.csv --unseen --markdown reports/unseen/unseen.md --into-card

$(UNSEEN)/manifest.csv: .venv/core recipes/unseen/unseen.py
	rm -rf $(UNSEEN) && mkdir -p $(UNSEEN)-packages
	$(BIN)/python -m pip download --quiet --no-deps --dest $(UNSEEN)-packages \
	    $(TEMPLATES)-api==0.3.84 $(TEMPLATES)-image==0.3.160 $(TEMPLATES)-other==0.3.229 \
	    $(TEMPLATES)-assets-01==0.1.48 $(TEMPLATES)-assets-02==0.1.24
	cd $(UNSEEN)-packages && apt-get download mate-backgrounds=1.26.0-1 \
	    plasma-workspace-wallpapers=4:5.27.5-2 lomiri-wallpapers-16.04=20.04.0-2 \
	    lomiri-wallpapers-20.04=20.04.0-2
	$(BIN)/python recipes/unseen/unseen.py $(UNSEEN)-packages --data $(DATA)/manifest.csv \
	    --out $(UNSEEN)

# Every recipe on a small subset, side by side (about ten CPU minutes; what is finished stays).
recipes: .venv/dev
	$(BIN)/python recipes/named-recipes/recipes.py --data $(DATA)/manifest.csv

faults: .venv/dev
	$(BIN)/python recipes/faults/faults.py --data $(DATA)/manifest.csv

benchmark: .venv/dev
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/training.py --data $(DATA)/manifest.csv

# Are heatmaps true? Figures go into docs/explain.md (about 10 minutes of CPU time).
faithfulness: .venv/dev
	$(BIN)/python recipes/faithfulness/faithfulness.py --data $(DATA)/manifest.csv

# Other detectors on the same pictures, into reports/peers/peers.md. Only what has no kept answers is run
# again. SAHU65=PYTHON runs that package too, where its environment is there.
peers: .venv/dev
	$(BIN)/python recipes/peers/peers.py --data $(DATA)/manifest.csv $(if $(SAHU65),--sahu65 $(SAHU65))

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
