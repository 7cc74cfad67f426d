# make serve | test | lint | docs | bench | wheel; pass arguments on with ARGS, choose the interpreter with PYTHON.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := serve

VENV ?= .venv
ARGS ?=
# Where the benchmarks find what a wheel would hold; empty measures the sources.
COMPILED ?= build/compiled
COMPILED_TESTS := $(addprefix tests/,agents clients hooks pipeline server transport wire)
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for each in python3.11 python3; do \
	"$$each" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { command -v "$$each"; break; }; done)
endif

# A virtual environment without a working interpreter and pip was left half made, or its Python is gone: it is made again.
USABLE := $(shell $(BIN)/python -c 'import pip; $(NEW_ENOUGH)' >/dev/null 2>&1 && echo yes)
ifneq ($(USABLE),yes)
.PHONY: $(VENV)/.made
endif

ifdef UV
INSTALL := VIRTUAL_ENV= $(UV) pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

define MAKE_VENV
if [ "$(USABLE)" = yes ]; then touch "$(VENV)/.made"; exit 0; fi
if [ -z "$(PYTHON)" ] && [ -z "$(UV)" ]; then
	echo "make: Jackfield needs Python 3.11 or newer; none found as python3.11 or python3." >&2
	echo "      Install it, or name it: make PYTHON=/path/to/python3.11 ..." >&2
	exit 1
fi
if [ -z "$(UV)" ] && ! "$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null; then
	echo "make: $(PYTHON) is not Python 3.11 or newer" >&2
	exit 1
fi
rm -rf "$(VENV)"
if [ -n "$(UV)" ]; then
	VIRTUAL_ENV= $(UV) venv --quiet --seed --python "$(or $(PYTHON),3.11)" "$(VENV)"
elif "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then
	"$(PYTHON)" -m venv "$(VENV)"
elif "$(PYTHON)" -m pip --version >/dev/null 2>&1; then
	"$(PYTHON)" -m venv --without-pip "$(VENV)"
	"$(PYTHON)" -m pip --quiet --python "$(BIN)/python" install pip
else
	echo "make: $(PYTHON) has neither ensurepip nor pip; on Debian: apt-get install python3-venv" >&2
	exit 1
fi
touch "$(VENV)/.made"
endef
export MAKE_VENV

.PHONY: serve test test-compiled lint docs bench wheel compiled clean

serve: $(VENV)/.installed-plain
	exec $(BIN)/jackfield serve $(ARGS)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.installed-lint $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 0 tests/test_house_style.py

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.installed-bench $(if $(COMPILED),$(COMPILED)/.made)
	PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/python -m bench $(ARGS)

# What is compiled, by the tests of it.
test-compiled: $(VENV)/.installed-test $(COMPILED)/.made
	PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/python -c \
		'from jackfield.pipeline import run; import sys; run.__file__.endswith(".so") or sys.exit("compiled for another Python: remove $(COMPILED)")'
	PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/python -m pytest -n auto --dist loadfile $(COMPILED_TESTS) $(ARGS)

wheel: $(VENV)/.made
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

compiled: $(COMPILED)/.made

clean:
	rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(COMPILED)/.made: hatch_build.py pyproject.toml $(shell find src -not -path '*__pycache__*') $(VENV)/.installed-bench
	$(if $(COMPILED),,$(error COMPILED names the folder to compile into))
	$(BIN)/python hatch_build.py $(COMPILED)
	touch $@

$(VENV)/.made:
	@eval "$$MAKE_VENV"

$(VENV)/.installed-plain: pyproject.toml $(VENV)/.made
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-%: pyproject.toml $(VENV)/.made
	$(INSTALL) --editable '.[$*]'
	touch $@
