# What a newcomer needs is `make demo` and `make test`; both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many tests wait for other programs: two more at once than there are cores.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 2)
# Those programs would each time compile all that they load.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-full check fix bench lock clean

setup: $(VENV)/.ready

# Rebuilt only when a lock or the project file changes.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Weir needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/weir demo $(if $(ONCE),--once)

test: setup check
	$(BIN)/pytest -n $(WORKERS) -m "not full and not postgres"

test-full: setup
	$(BIN)/pytest -n $(WORKERS) -m "full or postgres"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_site
	$(BIN)/python -m tests.disclosure_bench

# Two locks from one project file: all that developers and the demo need, and of that what a site runs.
COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links
lock:
	$(PYTHON) -m pip install --quiet uv
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml requirements-build.in
	$(COMPILE) --extra postgres --constraint requirements.lock --output-file requirements-service.lock pyproject.toml requirements-build.in

clean:
	rm -rf $(VENV) demo-data
