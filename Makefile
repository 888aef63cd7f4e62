# tenuto: every target sets up what it needs (a virtual environment in .venv; no root) and says what it does.
#
#   make demo         train a classifier on real data, print its accuracy, write a report
#   make test         lint, type-check and run the tests           (what CI runs)
#   make test-all     the same with the slow tests
#   make test-oldest  the tests, without linters, on the oldest torch that tenuto runs on
#   make lint         ruff and mypy alone
#   make bench-smoke  every benchmark once at its smallest size, to see that it runs; the numbers mean nothing
#   make build        wheel and sdist into dist/
#   make docs         the site, from docs/, README.md and the docstrings, into build/site
#   make clean        remove the environment, builds and caches
#
# Choices:
#   PYTHON=python3.12               which Python makes the environment (3.10 or newer)
#   TORCH_OPTIONS="--index-url …"   options for `pip install torch`, as PyTorch's own install page gives them for
#                                   your machine (without them pip takes the default build for your platform)
#   TESTS=tests/cells               what to test; PYTEST_OPTIONS="-k gru -x" goes to pytest as it is
#   WORKERS=4                       how many test processes, of one thread each

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_OPTIONS ?=
# The oldest torch on which all tests pass; pyproject.toml asks pip for at least this one.
OLDEST_TORCH ?= torch==2.6.0
TESTS ?=
PYTEST_OPTIONS ?=
# Test processes, of one thread each. More than one: many tests wait for a program that they started.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Packages are installed again when one of the files that name them changes.
KEY := $(shell cat pyproject.toml Makefile | cksum | cut -d' ' -f1)
BASE := $(VENV)/.tenuto-base-$(KEY)
DEV := $(VENV)/.tenuto-dev-$(KEY)
DOCS := $(VENV)/.tenuto-docs-$(KEY)

.PHONY: help demo test test-all test-oldest oldest-tests lint bench-smoke build docs clean
.DEFAULT_GOAL := help

help:
	@sed -n '3,11s/^#  //p' Makefile

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: no '$(PYTHON)' found; install Python 3.10 or newer, or say PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); tenuto needs Python 3.10 or newer (PYTHON=python3.12)" >&2; exit 1; }
	@echo "set-up: virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "make: no virtual environment; on Debian and Ubuntu the package python3-venv is missing" >&2; rm -rf $(VENV); exit 1; }

$(BASE): | $(BIN)/python
	@echo "set-up: $(TORCH), then tenuto (once; a few minutes)"
	@$(BIN)/python -c 'import sys, importlib.metadata as m; sys.exit(m.version("torch").split("+")[0] != "$(TORCH)".split("==")[-1])' 2>/dev/null \
		|| $(PIP) install --quiet $(TORCH_OPTIONS) "$(TORCH)"
	@$(PIP) install --quiet --editable .
	@rm -f $(VENV)/.tenuto-base-* $(VENV)/.tenuto-dev-* $(VENV)/.tenuto-docs-*
	@touch $@

$(DEV): $(BASE)
	@echo "set-up: what the tests need (once; a minute)"
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $@

$(DOCS): $(BASE)
	@echo "set-up: what the site needs (once; a minute)"
	@$(PIP) install --quiet --editable '.[docs]'
	@touch $@

demo: $(BASE)
	@echo "demo: trains a classifier on Japanese Vowels (9 speakers, 640 utterances) and writes a report; under 2 minutes"
	@$(BIN)/tenuto demo

lint: $(DEV)
	@echo "lint: ruff and mypy, configured in pyproject.toml"
	@$(BIN)/ruff check .
	@$(BIN)/mypy

test: lint
	@echo "test: doctests and every test but the slow ones"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow" $(PYTEST_OPTIONS) $(TESTS)

test-all: lint
	@echo "test-all: doctests and every test"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) $(PYTEST_OPTIONS) $(TESTS)

test-oldest:
	@$(MAKE) --no-print-directory VENV=.venv-oldest TORCH="$(OLDEST_TORCH)" oldest-tests

oldest-tests: $(DEV)
	@echo "test-oldest: doctests and every test but the slow ones, with $(OLDEST_TORCH)"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow" $(PYTEST_OPTIONS) $(TESTS)

bench-smoke: $(DEV)
	@echo "bench-smoke: each file of bench/ once with --smoke"
	@for file in $(wildcard bench/*.py); do echo "$$file"; $(BIN)/python $$file --smoke || exit 1; done

build: $(DEV)
	@echo "build: wheel and sdist into dist/"
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .
	@ls -l dist

docs: $(DOCS)
	@echo "docs: the site, into build/site; a warning is an error"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "open build/site/index.html in a browser"

clean:
	rm -rf $(VENV) .venv-oldest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
