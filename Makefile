# Every target works on a fresh clone with nothing but Python >= 3.11, git, make and the package
# registry that pip already knows. Stamp files make the second call skip the installation.

VENV := .venv
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin

# The first interpreter that really starts and is new enough; override with `make PYTHON=/path`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

NEED_PYTHON = test -n "$(PYTHON)" || { \
	echo "Hob needs Python 3.11 or newer; install it, or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }

PIP_INSTALL := -m pip --disable-pip-version-check install --quiet --no-input
# No registry address may end up in a lock file: which registry to ask is the user's own setting.
UV_COMPILE := $(BIN)/uv pip compile --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --quiet $(UPGRADE)

CORE := $(VENV)/.installed-core
DEV := $(VENV)/.installed-dev
BENCH := $(BENCH_VENV)/.installed
BENCH_EDITS := $(BENCH_VENV)/.installed-edits
FAST_TESTS := $(wildcard tests/house tests/core tests/loop)

# Git sets these for its hooks; a test that makes a repository of its own would otherwise write into ours.
unexport GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_PREFIX

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-slow check format bench bench-edits bench-prefix lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CORE)  ## repair a small broken repository in a temporary folder
	@$(BIN)/hob demo

dev: $(DEV)  ## install everything that development needs into .venv

test: $(DEV)  ## run all tests, long journeys in their short form
	$(BIN)/python -m pytest -q -m "not slow" $(ARGS)

test-slow: $(DEV)  ## run the long form of the journeys
	$(BIN)/python -m pytest -q -m slow $(ARGS)

check: $(DEV)  ## format, lint, types, import contracts, fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -m "not slow" $(FAST_TESTS)

format: $(DEV)  ## rewrite the formatting and the lint findings that have a safe fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) $(BENCH)  ## measure Hob beside a bare loop and mini-swe-agent
	$(BIN)/python bench/run.py $(ARGS)

bench-edits: $(CORE) $(BENCH_EDITS)  ## how often edits land, beside exact matching, diff-match-patch and aider
	$(BIN)/python bench/edit_accuracy.py $(ARGS)

bench-prefix: $(DEV) $(BENCH)  ## what the real engine has to compute, beside a sliding window and mini-swe-agent
	$(BIN)/python bench/prefix_reuse.py $(ARGS)

lock: $(DEV)  ## write requirements/*.txt again; UPGRADE=--upgrade takes newer versions
	$(UV_COMPILE) pyproject.toml --group build --output-file requirements/core.txt
	$(UV_COMPILE) pyproject.toml --group dev --constraints requirements/core.txt --output-file requirements/dev.txt
	$(UV_COMPILE) --group bench --output-file requirements/bench.txt
	$(UV_COMPILE) --no-deps requirements/bench-edits.in --constraints requirements/bench.txt \
		--output-file requirements/bench-edits.txt

clean:  ## remove the environments and everything that can be made again
	rm -rf $(VENV) $(BENCH_VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/pyvenv.cfg:
	@$(NEED_PYTHON)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install the package python3-venv." >&2; exit 1; }

# The lock is installed with hashes; the package itself is linked from src, without build isolation
# because the backend is in the lock. Compiled ahead, or every start would pay for it where Python is
# told to write no bytecode.
$(CORE): $(VENV)/pyvenv.cfg requirements/core.txt pyproject.toml
	@echo "Installing Hob into $(VENV) ..."
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/core.txt
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src/hob
	@touch $@

$(DEV): $(CORE) requirements/dev.txt
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(BENCH): requirements/bench.txt
	@$(NEED_PYTHON)
	@echo "Installing the agents to compare with into $(BENCH_VENV) ..."
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

# Without dependencies: only aider's search/replace functions are called, and they import little.
$(BENCH_EDITS): requirements/bench-edits.txt
	@$(NEED_PYTHON)
	@echo "Installing the edit engines to compare with into $(BENCH_VENV) ..."
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/bench-edits.txt
	@touch $@
