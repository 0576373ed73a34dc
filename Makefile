# Everything lives in .venv; each target sets up what it needs, and is quick when run again.
PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
# The API that pip-audit reads; mirrors may lack it, and pip-audit without --strict then passes with nothing audited.
ADVISORIES := https://pypi.org/pypi/pip/25.0/json
AUDIT := --strict --disable-pip --require-hashes --requirement requirements.lock

define LINT
$(BIN)/ruff check .
$(BIN)/ruff format --check .
$(BIN)/mypy
$(BIN)/lint-imports --no-cache
$(BIN)/codespell *.md Makefile app benchmarks deploy docs models tests training
endef

# Tests side by side, but those of a file one after another, since they share services and browsers.
SIDE_BY_SIDE = $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: .venv/service  ## Serve on http://127.0.0.1:8000 (or another port, with more options: PORT=8080 ARGS="--workers 2")
	@exec $(BIN)/digits serve $(if $(PORT),--port $(PORT)) $(ARGS)

check: .venv/all  ## Run the quick checks: ruff, mypy, import-linter, codespell, the fast tests
	$(LINT)
	$(SIDE_BY_SIDE) -m "not slow"

test: .venv/all  ## Run every check
	$(LINT)
	$(SIDE_BY_SIDE) -m "not alone"
	$(BIN)/pytest -m alone

train: .venv/all  ## Train the network into a folder in runs/ (options: ARGS="--epochs 10")
	$(BIN)/python -m training.train $(ARGS)

evaluate: .venv/all  ## Measure models/digits.onnx on MNIST's test images and write its model card
	$(BIN)/python -m training.evaluate

robustness: .venv/all  ## Error on digits drawn into difficult scenes, photos among them
	$(BIN)/python benchmarks/robustness.py $(ARGS)

numbers: .venv/all  ## Error on whole numbers made of MNIST's test digits (your own pictures: ARGS="--folder DIR")
	$(BIN)/python benchmarks/whole_numbers.py $(ARGS)

real: .venv/all  ## Error of the running service on your own pictures: make real REAL=DIR
	$(BIN)/python benchmarks/real.py $(REAL)

peers: .venv/all .venv/ocr  ## Other recognisers on the same pictures, and on your own: make peers ARGS="DIR…" (needs tesseract)
	$(BIN)/python benchmarks/peers_accuracy.py $(ARGS)

fuzz: .venv/all  ## Send 100,000 damaged pictures and inference requests, 20,000 forms and connections: all are answered
	FUZZ_EXAMPLES=100000 $(BIN)/pytest tests/test_fuzz.py

hostile: .venv/all  ## Send each hostile picture for 20 s: memory, time and other clients stay as they are
	HOSTILE_SECONDS=20 $(BIN)/pytest tests/test_hostile.py

clients: .venv/all  ## Ask the running service by others' clients of the Open Inference Protocol (installs 450 MB)
	KSERVE=1 $(BIN)/pytest tests/test_inference_clients.py

screenshot: .venv/all  ## Draw the page for the README (needs Chromium)
	$(BIN)/python benchmarks/screenshot.py

bench: .venv/all .venv/peers  ## Requests per second beside FastAPI and torch, LitServe and BentoML (needs wrk)
	$(BIN)/python benchmarks/serving.py $(ARGS)

soak: .venv/all  ## Ten minutes of mixed traffic: every answer right, memory flat
	$(BIN)/python benchmarks/soak.py $(ARGS)

lock: | $(BIN)/uv  ## Lock the service's dependencies, and what builds it, for the image
	$(LOCK) --extra otel pyproject.toml --output-file requirements.lock
	echo hatchling | $(LOCK) - --output-file requirements-build.lock
	$(MAKE) notices

notices: | $(BIN)/uv  ## Write THIRD_PARTY_NOTICES.md: the licences of what the lock puts into the image
	$(BIN)/uv run --no-project --python $(BIN)/python --with packaging deploy/notices.py

audit: | $(BIN)/uv  ## Look up known vulnerabilities of the locked packages (skipped where PyPI's API is out of reach)
	@if $(BIN)/python -c 'from urllib.request import urlopen; urlopen("$(ADVISORIES)", timeout=10)' 2>/dev/null; then \
	    $(BIN)/uv tool run --quiet --python $(BIN)/python pip-audit $(AUDIT); \
	else \
	    echo "make audit: skipped, because $(ADVISORIES) does not answer"; \
	fi

$(BIN)/uv: | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check uv

.venv/peers: | $(BIN)/python
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check torch pillow litserve bentoml httptools

.venv/ocr: | $(BIN)/python
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check ddddocr digit-recognizer-py onnxruntime rapidocr

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv

.venv/service: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/all: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[training,test]'
	@touch $@ .venv/service

.PHONY: help run check test train evaluate robustness numbers real peers fuzz hostile clients screenshot bench soak lock notices audit
