# Each target sets itself up. PYTHON picks the interpreter (3.11 or newer) that the virtual environment is made of.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
WORKERS ?= 2
# Processes that test: one more than cores, because those on a cluster mostly wait.
TESTERS ?= 3
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python launch/installing.py
# Runs then know which files their packages were; without an index at hand that is left for later.
LOCK    := $(BIN)/python -m framework.tracking.lock || true

.PHONY: install demo test check package docs bench year crowd faults sweeps clean

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/sashiko sweep sweeps/stitching.yaml --workers $(WORKERS) --embedded
	@$(BIN)/sashiko compare sweeps/stitching.yaml --embedded --csv results/stitching.csv --figures results

test: $(VENV)/.tested-with
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder $(TESTS)

check: $(VENV)/.tested-with
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/build.py

# On each Python that setup.cfg names and that is here, with the newest and the oldest libraries, without torch.
package: $(VENV)/.tested-with
	$(BIN)/python -m tests.package

docs: $(VENV)/.documented-with
	$(BIN)/python docs/build.py

bench: $(VENV)/.benchmarked-with
	$(BIN)/python -m tests.benchmarks $(filter-out bench,$(MAKECMDGOALS))

# `make bench year`: a lab's year on one server (25 minutes, 4 GB; SASHIKO_YEAR=0.1 makes a tenth of it).
# `make bench crowd`: a thousand agents, then three thousand; on an empty server, and on one that holds the year.
# `make bench faults`: kill -9, full disks and torn copies, on copies of the year.
year crowd faults: ; @:

sweeps: $(VENV)/.installed
	$(BIN)/python -m experiments --write-sweeps sweeps

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Sashiko needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 install"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; \
	  else echo "$(PYTHON) has no venv module; install it first: sudo apt-get install python3-venv"; exit 1; fi; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "installing Sashiko and what it needs into $(VENV) (a few GB with CUDA builds of torch; some minutes)"
	@$(INSTALL) --editable .
	@$(LOCK)
	@touch $@

$(VENV)/.tested-with: $(VENV)/.installed
	@echo "installing what the checks and tests need into $(VENV), and the oldest supported client beside it"
	@$(INSTALL) --editable '.[dev]'
	@$(LOCK)
	@$(BIN)/python -m tests.protocol.clients
	@touch $@

$(VENV)/.documented-with: $(VENV)/.installed
	@echo "installing what the documentation site needs into $(VENV)"
	@$(INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/.benchmarked-with: $(VENV)/.tested-with
	@echo "installing what the benchmarks compare with into $(VENV)"
	@$(INSTALL) --editable '.[dev,bench]'
	@touch $@

clean:
	rm -rf $(VENV) results build dist .cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
