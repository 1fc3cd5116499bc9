# make setup   builds .venv           make demo   renders the embedded scene
# make test    runs the tests         make bench  runs the benchmarks
# make levy    renders Levy's training pictures, trains, measures and writes models/levy (LEVY='--device cuda' on a GPU)
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.ready

.PHONY: setup demo test bench levy lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "muster: $(PYTHON) is missing or older than 3.11; install python3.11 or newer, or: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "muster: Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

demo: setup
	$(VENV)/bin/muster demo

test: setup
	$(VENV)/bin/python -m pytest --numprocesses auto --dist worksteal

bench: setup
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(VENV)/bin/python benchmarks/run.py

levy: setup
	$(VENV)/bin/python -m models.levy.recipe all $(LEVY)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

clean:
	rm -rf $(VENV) build out *.egg-info
