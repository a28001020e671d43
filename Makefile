# Two commands do all set-up: `make run` and `make test`. `make help` lists the rest.
# Works with the make of macOS (GNU make 3.81) too.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: help run venv dev test chaos check format format-check lint types architecture coverage screenshots soak doctor-check lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

run: $(VENV)/.runtime ## start the server with the embedded model (options: make run ARGS="--port 9000")
	@$(BIN)/echopanel serve $(ARGS)

venv: $(VENV)/.runtime ## make .venv with what the server needs
	@echo "$(VENV) is ready; commands: $(BIN)/echopanel --help"

dev: $(VENV)/.dev ## add to .venv what tests and checks need
	@echo "$(VENV) is ready for tests and checks"

test: $(VENV)/.dev ## run all tests (one: make test ARGS="-k agreement")
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

chaos: $(VENV)/.dev ## break meetings in many ways, and count what was lost (ARGS="--seeds 0-49 --kinds both")
	@$(BIN)/python -m tests.chaos $(ARGS)

check: format-check lint types architecture coverage ## everything but the full test suite

format: $(VENV)/.dev ## format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

format-check: $(VENV)/.dev ## is the code formatted?
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## ruff
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

architecture: $(VENV)/.dev ## import directions, budgets, a repository without machine-bound content
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_repository.py

coverage: $(VENV)/.dev ## wire/ and policy/: every branch is reached by their own tests
	@$(BIN)/coverage run -m pytest -q tests/wire tests/policy
	@$(BIN)/coverage report --include='*/echopanel/wire/*,*/echopanel/policy/*' --fail-under=100

screenshots: $(VENV)/.dev ## take the pictures of the documentation from the real program (needs chromium; 3 minutes)
	@$(BIN)/python -m tests.panel.screenshots $(ARGS)

soak: $(VENV)/.dev ## a meeting of 5 minutes in a real browser, with figures (shorter: make soak ARGS=60)
	@$(BIN)/python -m tests.panel.soak $(ARGS)

doctor-check: $(VENV)/.dev ## compare what doctor predicts with what bench holds (ARGS="CORPUS"; 4 minutes)
	@$(BIN)/python -m tests.bench.prediction $(ARGS)

lock: ## resolve the locked requirements anew (needs uv; UPGRADE=--upgrade takes newer versions)
	$(UV) pip compile pyproject.toml $(LOCK_OPTIONS) --group build -o requirements.lock
	$(UV) pip compile pyproject.toml $(LOCK_OPTIONS) --group build --group dev --extra base --extra bench \
		-c requirements.lock -o requirements-dev.lock

LOCK_OPTIONS = --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(UPGRADE)

clean: ## remove .venv, caches and build results
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov dist build
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamps below are younger than the lock files as long as nothing has to be installed.

$(VENV)/.runtime: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing the locked packages into $(VENV) (once; a minute or two)"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements-dev.lock pyproject.toml
	@echo "Installing the locked packages, and those for tests, into $(VENV) (once; a few minutes)"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "EchoPanel needs Python 3.11 or newer, but there is no $(PYTHON). Install it, or name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "EchoPanel needs Python 3.11 or newer; $(PYTHON) is older. Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
