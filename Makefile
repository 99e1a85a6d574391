# Two commands do all the set-up: `make run` and `make test`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# One more index to find torch in, for instance one with CPU-only builds: make run TORCH_INDEX=https://...
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-from-lock

.PHONY: run demo tour test lint bench bench-fidelity install clean

run: install            ## the bot: on Discord with DISCORD_TOKEN, else in a sandbox in the browser
	$(BIN)/python -m bot run

demo: install           ## train, sample and draw unattended; pictures and report.json land in out/demo
	$(BIN)/python -m bot demo

tour: install           ## pictures of every screen, in both languages, into docs/tour; wants Chromium
	$(BIN)/python -m tests.e2e.tour

test: lint              ## everything that has to hold
	$(BIN)/python -m pytest

lint: install           ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install          ## figures that this machine can measure; table here, JSON in out/bench
	$(BIN)/python -m benchmarks

bench-fidelity: install ## likeness, obedience and memory of the class after training; goes on where it broke off
	$(BIN)/python -m benchmarks.fidelity

install: $(STAMP)

# torch goes first: left to the others' requirements, the newest build with gigabytes of extras would come.
$(STAMP): requirements.lock
	@echo "Installing into $(VENV): this happens once and takes a few minutes."
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Likeness needs Python 3.11 or newer.")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --constraint requirements.lock torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

clean:                  ## remove what was installed and made; the data in var/ stays
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache
