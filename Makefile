# One virtual environment, .venv, for everything; a stamp file in it tells what was installed, so that a repeated call is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
PYTEST_ARGS ?=
# what pip does for packages that it copies, an editable install leaves to the first start
COMPILE := $(BIN)/python -m compileall -q cli dsl compiler lowering decompiler runner
SCRIPTS = $(sort $(dir $(wildcard components/*/*/*.py components/*/*/*/*.py)))

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint bench bench-peers bench-quality conformance fields docs baselines clean
.DELETE_ON_ERROR:

help: ## say what there is to make
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml | $(VENV)/.made
	$(INSTALL) --editable '.[run,sklearn,privacy,serve]'
	$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	$(INSTALL) --editable '.[dev]'
	$(COMPILE)
	@touch $@ $(VENV)/.run

# what the components for networks, reinforcement learning and explanations, and steps of other kinds run on: large, and
# asked for by tests that are marked slow alone
$(VENV)/.kinds: pyproject.toml $(VENV)/.dev
	$(INSTALL) --editable '.[torch,tensorflow,opacus,rl,interpret,spark,automl,tensorboard]'
	@touch $@

demo: $(VENV)/.run ## train, release, audit, export and serve pipelines/income.mlp here; then again, all from cache
	$(BIN)/mlp check pipelines/income.mlp
	$(BIN)/mlp run pipelines/income.mlp
	@echo
	@echo "The same again: nothing has changed, so nothing runs."
	$(BIN)/mlp run pipelines/income.mlp

test: $(VENV)/.kinds ## the whole suite, two at a time; Java and MPI must be there
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

test-fast: $(VENV)/.dev ## what needs no real training; under two minutes
	$(BIN)/pytest -m "not slow" -n auto $(PYTEST_ARGS)

lint: $(VENV)/.dev ## style, formatting and types; programs in canonical form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd components && ../$(BIN)/mypy --config-file mypy.ini -p common
	@for folder in $(SCRIPTS); do echo mypy $$folder; \
	  $(BIN)/mypy --config-file components/mypy.ini $$folder*.py || exit 1; done
	$(BIN)/mlp fmt --check pipelines
	$(BIN)/mlp check pipelines

bench: $(VENV)/.dev ## time whole processes, beside azure-ai-ml, dvc, snakemake; table and .bench/bench.json
	$(BIN)/python bench/bench.py

bench-peers: ## install miniwdl, kfp, dvc, snakemake, diffprivlib, each into an environment of its own, for bench to find
	PYTHON=$(PYTHON) bench/peers.sh

bench-quality: $(VENV)/.kinds ## measure what components give beside others, into bench/quality/results.md: NAMES=private_linear, or all
	$(BIN)/python bench/quality/quality.py $(NAMES)

conformance: $(VENV)/.dev ## how much of Azure ML's YAML comes back the same: CORPUS=folder, or those at hand
	@$(BIN)/python -m conformance $(if $(CORPUS),$(CORPUS) conformance/fields) $(CONFORMANCE_ARGS)

fields: $(VENV)/.dev ## rewrite conformance/fields.json and the corpus made from it
	$(BIN)/python -m conformance.generate

docs: $(VENV)/.dev ## rewrite the generated pages under docs/
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/validating.py

baselines: $(VENV)/.dev ## rewrite the expected outputs in tests/baselines and tests/decompiler
	$(BIN)/python -m tests.baselines
	$(BIN)/python -m tests.decompiler

clean: ## remove what make and mlp made
	rm -rf $(VENV) .bench .mlp build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis python/*.egg-info
