# `make help` lists the targets. Each makes the environment it needs in .venv first; Python 3.11, 3.12
# or 3.13 is all that has to be installed.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# PyPI's Linux build of torch downloads gigabytes of CUDA libraries. On a machine without a GPU the CPU
# build is installed instead, if its index can be reached. Override with `make demo TORCH=torch==2.12.0`.
TORCH ?= torch==2.13.0
CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# Exact versions of everything but torch. `make test CONSTRAINTS=` installs the newest allowed versions.
CONSTRAINTS ?= constraints.txt
PIP_INSTALL = $(BIN)/pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS))

export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo install test check format docs coverage constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/run.stamp ## ingest, train, sample and export on examples/midis, in ./demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=$$(nproc 2>/dev/null || echo 2) examples/demo.sh

install: $(VENV)/dev.stamp ## install musictk and the development tools in .venv

test: check ## install, then run every check: ruff, mypy, generated docs, tests

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python docs/generate.py --check
	@echo "mypy and pytest, side by side"; $(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal; tests=$$?; \
	wait $$types || { echo "mypy failed: its errors are above"; exit 1; }; exit $$tests

format: $(VENV)/dev.stamp ## fix and format the code with ruff
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/dev.stamp ## write the generated parts of docs/
	$(BIN)/python docs/generate.py

coverage: $(VENV)/dev.stamp ## run the tests and report the line coverage of musictk/ and plugins/
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term-missing

constraints: ## write constraints.txt with the newest versions that pyproject.toml allows
	rm -rf build/constraints
	$(MAKE) --no-print-directory VENV=build/constraints CONSTRAINTS= PYTHON=$(or $(PYTHON),python3.11) \
	  build/constraints/dev.stamp
	build/constraints/bin/python tools/constraints.py

clean: ## remove the environment and everything built
	rm -rf $(VENV) demo build dist .coverage .coverage.*

$(VENV)/run.stamp: $(VENV)/torch.stamp pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/run.stamp

$(VENV)/torch.stamp: $(BIN)/python
	@index=; \
	if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && $(BIN)/python -c \
	  "import urllib.request as web; web.urlopen('$(CPU_INDEX)/torch/', timeout=5)" 2>/dev/null; \
	then index="--extra-index-url $(CPU_INDEX)"; fi; \
	echo "installing $(TORCH) and the other dependencies (about 1.3 GB, a minute or more)"; \
	$(PIP_INSTALL) $$index '$(TORCH)'
	touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.12 python3.11 python3.13 python3 python; do \
	  if $$python -c 'import ensurepip, sys; exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    2>/dev/null; then exec $$python -m venv $(VENV); fi; \
	done; \
	echo 'error: no Python 3.11, 3.12 or 3.13 with venv found; install one (Debian: apt install' \
	  'python3-venv) or name it: make PYTHON=/path/to/python' >&2; exit 1
