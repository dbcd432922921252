# Everything on a fresh machine with Python (3.10 or later) and make. `make demo` and `make test` are all one needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check format docs figures performance fuzz reliability clean

demo: $(VENV)/.demo
	$(BIN)/rtstrf demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev
	$(BIN)/python tools/make_configuration_page.py
	$(BIN)/rtstrf demo --terminal --picture docs/picture.png

# On an idle machine: about an hour.
figures: $(VENV)/.dev
	$(BIN)/python tools/models_table.py --write
	$(BIN)/python benchmarks/hour.py --out benchmarks/results/hour.json
	$(BIN)/python benchmarks/hour_of_models.py --out benchmarks/results/hour_of_models.json --write
	$(BIN)/python benchmarks/live_latency.py --minutes 10 --out benchmarks/results/live_latency.json
	$(MAKE) performance

# On an idle machine: about twenty-five minutes, deepSTRF beside rtstrf in one environment.
performance: $(VENV)/.peers
	$(BIN)/rtstrf bench step --out benchmarks/results
	$(BIN)/rtstrf bench streams --out benchmarks/results
	$(BIN)/rtstrf bench peers --out benchmarks/results
	$(BIN)/rtstrf bench replay --out benchmarks/results
	$(BIN)/rtstrf bench wire --out benchmarks/results
	$(BIN)/python tools/performance_page.py --write

# About three minutes.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --count 100000 --jobs 2

# On an idle machine: about fifteen minutes, ten of them a soak.
reliability: $(VENV)/.dev
	$(BIN)/python benchmarks/reliability.py --write

clean:
	rm -rf $(VENV) build dist *.egg-info demo.png

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'rtstrf needs Python 3.10 or later; name one with: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'Python cannot make a virtual environment; on Debian: sudo apt install python3-venv'; exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'installing what the demo needs into $(VENV): torch is large, this takes a few minutes once'
	$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'installing what the tests need into $(VENV): torch is large, this takes a few minutes once'
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.peers: $(VENV)/.dev
	$(PIP) --no-deps deepSTRF==0.1.0 mambapy==1.2.0 torchaudio
	@touch $@
