# `make demo` composes a piece, `make test` runs every check. Both create the environment .venv and
# need only Python 3.11, 3.12 or 3.13.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# PyPI's Linux build of torch includes gigabytes of CUDA. Without a GPU the CPU build is installed, if
# its index can be reached. Override with `make demo TORCH=torch==2.12.0`.
TORCH ?= torch==2.13.0
CPU_INDEX ?= https://download.pytorch.org/whl/cpu

export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check format docs clean

demo: $(VENV)/run.stamp ## ingest, train, sample and export on examples/midis, in ./demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=$$(nproc 2>/dev/null || echo 2) examples/demo.sh

test: check ## install, then every check

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m pytest -n $(WORKERS)

format: $(VENV)/dev.stamp ## format every file
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/dev.stamp ## regenerate the generated parts of docs/
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) demo build dist

$(VENV)/run.stamp: $(VENV)/torch.stamp pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/run.stamp

$(VENV)/torch.stamp: $(BIN)/python
	@index=; \
	if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && $(BIN)/python -c \
	  "import urllib.request as web; web.urlopen('$(CPU_INDEX)/torch/', timeout=5)" 2>/dev/null; \
	then index="--extra-index-url $(CPU_INDEX)"; fi; \
	echo "installing $(TORCH) and the other dependencies (about 1.3 GB, a minute or more)"; \
	$(BIN)/pip install --quiet $$index '$(TORCH)'
	touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.12 python3.11 python3.13 python3 python; do \
	  if $$python -c 'import ensurepip, sys; exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    2>/dev/null; then exec $$python -m venv $(VENV); fi; \
	done; \
	echo 'error: no Python 3.11, 3.12 or 3.13 with venv here; install one (Debian: apt install' \
	  'python3-venv) or name it: make PYTHON=/path/to/python' >&2; exit 1
