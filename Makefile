# The commands of this project. `make help` lists them.
#
# Everything lives in one private environment, .venv, installed from hashed lock files: what `run`
# needs, and only for `test` and `lint` what those need. The program is installed there like
# anywhere else; nothing runs from the checkout.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Most tests wait for something, so there may be more of them at work than cores.
WORKERS ?= 3

PIP := $(VENV)/bin/python -m pip -qq --disable-pip-version-check
# Wheels only, but for WSDiscovery, which is published as source alone; it is built by the locked
# build tools and no others.
LOCKED := $(PIP) install --require-hashes --only-binary :all: --no-binary WSDiscovery \
    --no-build-isolation --use-pep517
PACKAGES := device scanner_backends scan_server profiles
SOURCES := pyproject.toml $(wildcard README.md) \
    $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*')
UV := $(VENV)/bin/python -m uv

.DEFAULT_GOAL := help
.PHONY: help run test lint bench chaos conformance lock clean system-packages

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

run: $(VENV)/.program ## install what is needed and start the scanner: make run ARGS="--source images:DIR"
	@exec $(VENV)/bin/wsd-scanner run $(ARGS)

test: system-packages $(VENV)/.tools $(VENV)/.program ## run every test: make test ARGS="-k discovery"
	$(VENV)/bin/pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/.tools $(VENV)/.program ## check format, style, types and import arrows
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.tools $(VENV)/.program ## measure, as ratios to what the libraries alone can do
	$(VENV)/bin/python bench/run.py $(ARGS)
	$(VENV)/bin/python bench/pages.py $(ARGS)

chaos: $(VENV)/.tools $(VENV)/.program ## disturb deliveries to the scan server in every way that there is
	$(VENV)/bin/python bench/chaos_points.py $(ARGS)

conformance: $(VENV)/.tools $(VENV)/.program ## write docs/conformance*.md from the lists and the tests
	$(VENV)/bin/python tests/conformance/rows.py

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	@tests/support/debian-packages

# The environment, in layers; each stamp is as old as the layer.

$(VENV)/.build: requirements-build.lock
	@PYTHON="$(PYTHON)" packaging/make-venv "$(VENV)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-build.lock
	@touch $@

$(VENV)/.libraries: $(VENV)/.build requirements.lock
	@$(LOCKED) -r requirements.lock
	@touch $@

$(VENV)/.tools: $(VENV)/.libraries requirements-dev.lock
	@$(LOCKED) -r requirements-dev.lock
	@touch $@

$(VENV)/.program: $(VENV)/.libraries $(SOURCES)
	@$(PIP) install --no-deps --no-build-isolation --force-reinstall .
	@touch $@

# The locks: for every platform, with the hash of every file, without the address of any index.

COMPILE := $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
    --no-header --no-annotate --python-version 3.11

lock: $(VENV)/.build ## lock the newest allowed version of every dependency
	$(PIP) install uv
	printf '%s\n' 'hatchling>=1.12' 'setuptools>=70.1' | $(COMPILE) - -o requirements-build.lock
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra test --extra lint -c requirements.lock -o requirements-dev.lock
	! grep -l '://' requirements*.lock
