# Two commands matter to a newcomer: `make demo` and `make test`. Both need git, make and Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
DEMO ?= demo
PORT ?= 8765
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test test-rest test-all lint docs bench matrix installs fuzz clean

help:  ## list what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The environment is made once and again only when what is installed into it changes.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "drivetrain needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing (Debian and Ubuntu: apt install python3-venv)." >&2; exit 2; }
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.python
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[data,train,serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.python
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[data,train,serve,dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.full: $(VENV)/.dev
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[data,train,serve,dev,full,docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e '.[data,train,serve,dev,bench]'
	@touch $@

demo: $(VENV)/.demo  ## plan -> project -> check, train, decide, audit, review -> one served decision
	rm -rf $(DEMO)
	PATH="$(BIN):$$PATH" PORT=$(PORT) bash tests/demo.sh $(DEMO)

# Two processes with one thread each: more threads than cores would spend their time waiting for each other.
test: $(VENV)/.dev  ## every test that needs pip alone (at most 10 minutes)
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -m "not full and not fuzz" -n 2 --dist loadfile --junitxml=reports/test.xml $(ARGS)

test-rest: $(VENV)/.full  ## real servers, kills, five folds (installs Debian packages that are missing)
	@bash tests/tools.sh
	PATH="$(BIN):$$PATH" python -m pytest -m full --junitxml=reports/test-rest.xml $(ARGS)

test-all: test test-rest  ## everything (at most 60 minutes)

lint: $(VENV)/.dev  ## ruff and strict mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/.full  ## the documentation site, in site/
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs site
	@echo "site/index.html"

bench: $(VENV)/.bench  ## every figure beside its goal: docs/reference/figures.md; ARGS=audit measures one and keeps the others
	PATH="$(BIN):$$PATH" python tests/bench $(ARGS)

matrix: $(VENV)/.full  ## every plan of the gallery with every way of serving; goes on where it was stopped
	@bash tests/tools.sh
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 python tests/matrix $(ARGS)

installs: $(VENV)/.dev  ## the built wheel with each extra in a clean environment
	$(BIN)/python tests/installs.py $(ARGS)

fuzz: $(VENV)/.full  ## the long property tests
	PATH="$(BIN):$$PATH" python -m pytest -m fuzz --junitxml=reports/fuzz.xml $(ARGS)

clean:  ## remove the environment and the demo
	rm -rf $(VENV) $(DEMO) site dist build reports matrix .pytest_cache .mypy_cache .ruff_cache
