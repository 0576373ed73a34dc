# Everything lives in .venv; each target sets up what it needs, and is quick when run again.
PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

define LINT
$(BIN)/ruff check .
$(BIN)/ruff format --check .
$(BIN)/mypy
$(BIN)/lint-imports --no-cache
endef

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: .venv/service  ## Serve on http://127.0.0.1:8000 (settings: README.md)
	@exec $(BIN)/digits serve

check: .venv/all  ## Run the quick checks, in under a minute: ruff, mypy, import-linter, the fast tests
	$(LINT)
	$(BIN)/pytest -m "not slow"

test: .venv/all  ## Run every check
	$(LINT)
	$(BIN)/pytest

train: .venv/all  ## Train the network and write models/digits.onnx (options: ARGS="--epochs 10")
	$(BIN)/python -m training.train $(ARGS)

evaluate: .venv/all  ## Measure models/digits.onnx on MNIST's test images and write its model card
	$(BIN)/python -m training.evaluate

robustness: .venv/all  ## Error on digits drawn into difficult scenes, photos among them
	$(BIN)/python benchmarks/robustness.py $(ARGS)

real: .venv/all  ## Error of the running service on your own pictures: make real REAL=DIR
	$(BIN)/python benchmarks/real.py $(REAL)

fuzz: .venv/all  ## Read 100,000 damaged pictures: a frame or an error of ours, nothing else
	FUZZ_EXAMPLES=100000 $(BIN)/pytest tests/test_fuzz.py

screenshot: .venv/all  ## Draw the page for the README (needs Chromium)
	$(BIN)/python benchmarks/screenshot.py

bench: .venv/all .venv/peers  ## Requests per second beside FastAPI and torch, LitServe and BentoML (needs wrk)
	$(BIN)/python benchmarks/serving.py $(ARGS)

soak: .venv/all  ## Ten minutes of mixed traffic: every answer right, memory flat
	$(BIN)/python benchmarks/soak.py $(ARGS)

lock: | $(BIN)/python  ## Lock the service's dependencies, and what builds it, for the image
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(LOCK) --extra otel pyproject.toml --output-file requirements.lock
	echo hatchling | $(LOCK) - --output-file requirements-build.lock

.venv/peers: | $(BIN)/python
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check torch pillow litserve bentoml httptools

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv

.venv/service: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/all: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[training,test]'
	@touch $@ .venv/service

.PHONY: help run check test train evaluate robustness real fuzz screenshot bench soak lock
