# Everything is installed into .venv. Each target sets up what it needs, and does so only once.
PYTHON ?= python3
BIN := .venv/bin
# Python compiles the modules that are imported. Compiling all that are installed takes a minute.
PIP_INSTALL := install --quiet --disable-pip-version-check --no-compile
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
# The API that pip-audit queries. Mirrors may lack it; without --strict, pip-audit would then pass without an audit.
ADVISORIES := https://pypi.org/pypi/pip/25.0/json
AUDIT := --strict --disable-pip --require-hashes --requirement requirements.lock
# Test files run in parallel, but the tests of a file in order, since they share services and browsers. torch has one
# thread, since the threads of several processes would wait for each other.
SIDE_BY_SIDE := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# What the networks for numbers and for pages start from. Of rapidocr's wheel, only these files are used.
RECOGNISER := data/rapidocr/models/PP-OCRv6_rec_small.onnx
DETECTOR := data/rapidocr/models/PP-OCRv6_det_small.onnx
RAPIDOCR := rapidocr==3.10.0 --hash=sha256:2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050

define LINT
$(BIN)/ruff check .
$(BIN)/ruff format --check .
$(BIN)/mypy
$(BIN)/lint-imports --no-cache
$(BIN)/codespell *.md Makefile app benchmarks deploy dev docs models tests training
endef

# The tests start hundreds of processes. Without bytecode files, each would compile the project's modules anew.
unexport PYTHONDONTWRITEBYTECODE

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {print $$1 "\t" $$2}' $(MAKEFILE_LIST)
run: .venv/service  ## Serve on http://127.0.0.1:8000 (another port and options: PORT=8080 ARGS="--workers 2")
	@exec $(BIN)/digits serve $(if $(PORT),--port $(PORT)) $(ARGS)
check: .venv/all  ## Run the quick checks: ruff, mypy, import-linter, codespell, the fast tests
	$(LINT)
	$(SIDE_BY_SIDE) -m "not slow"
test: .venv/all  ## Run every check
	$(LINT)
	$(SIDE_BY_SIDE) -m "not alone"
	$(BIN)/pytest -m alone
train: .venv/training  ## Train the network for digits and write it to a folder in runs/ (options: ARGS="--epochs 10")
	$(BIN)/python -m training.train $(ARGS)
train-lines: .venv/training $(if $(filter --pictures% --pretrained% --resume%,$(ARGS)),,$(RECOGNISER))  ## Tune the network for numbers and write it to a folder in runs/ (your own pictures: ARGS="--pictures DIR")
	$(BIN)/python -m training.lines $(ARGS)
train-pages: .venv/training $(if $(filter --pretrained%,$(ARGS)),,$(DETECTOR))  ## Make the network for pages from the pretrained one, and write it to models/ (another file: ARGS="--output FILE")
	$(BIN)/python -m training.pages $(ARGS)

evaluate: .venv/all  ## Measure the model files on MNIST's test images and write their model card
robustness: .venv/all  ## Measure the error on digits rendered into difficult scenes, such as photos
real: .venv/all  ## Measure the error on your own pictures: make real REAL=DIR
peers: .venv/all .venv/ocr  ## Compare accuracy with other recognisers, also on your own pictures: ARGS="DIR…" (needs tesseract)
pages: .venv/all .venv/ocr  ## Compare with RapidOCR on columns, tables and photos of pages, or on your own: ARGS="--folder DIR"
tables: .venv/all .venv/ocr  ## Compare with RapidOCR on ruled tables, scanned and photographed, or on your own: ARGS="--folder DIR"
formats: .venv/all  ## Measure written fields, such as amounts and dates, with and without ?format= (your own: ARGS="--folder DIR")
forms: .venv/all  ## Measure how filled sheets of printed forms are placed and read, scanned and photographed
bench: .venv/all .venv/peers  ## Compare throughput with FastAPI and torch, LitServe and BentoML (needs wrk)
soak: .venv/all  ## Send ten minutes of mixed traffic, and then a stack of sheets through a service that is killed; check every answer
	$(BIN)/python benchmarks/soak.py $(ARGS)
	$(BIN)/python benchmarks/stack.py
faults: .venv/all  ## Kill and suspend processes and overwrite model files under load; check every answer and row (Linux)
screenshot: .venv/all  ## Take the screenshots for the README (needs Chromium)
evaluate robustness real peers pages tables formats forms bench faults screenshot:
	$(BIN)/python benchmarks/$@.py $(REAL) $(ARGS)
numbers: .venv/all  ## Measure how well numbers made of MNIST's test digits are read (your own: ARGS="--folder DIR")
	$(BIN)/python benchmarks/whole_numbers.py $(ARGS)

fuzz: .venv/all  ## Check that 100,000 damaged pictures and inference requests, 20,000 forms and connections are answered
	FUZZ_EXAMPLES=100000 $(BIN)/pytest tests/test_fuzz.py
hostile: .venv/all  ## Send each hostile picture for 20 s; check memory, latency and other clients
	HOSTILE_SECONDS=20 $(BIN)/pytest tests/test_hostile.py
clients: .venv/all  ## Test with third-party clients of the Open Inference Protocol (installs 450 MB)
	KSERVE=1 $(BIN)/pytest tests/test_inference_clients.py
docs: .venv/all  ## Build the documentation as a site in site/
	rm -rf build/docs site && mkdir -p build/docs/app/page
	cp -R *.md LICENSE compose.yaml deploy docs models build/docs && cp app/page/course.md app/page/*.png build/docs/app/page
	$(BIN)/zensical build --clean --strict
lock: | $(BIN)/uv  ## Lock the service's dependencies and build dependencies for the image
	$(LOCK) --extra otel pyproject.toml --output-file requirements.lock
	echo hatchling | $(LOCK) - --output-file requirements-build.lock
	$(MAKE) notices
notices: | $(BIN)/uv  ## Write THIRD_PARTY_NOTICES.md: the licences of the third-party software in the image
	$(BIN)/uv run --no-project --python $(BIN)/python --with packaging deploy/notices.py
audit: | $(BIN)/uv  ## Check the locked packages for known vulnerabilities (skipped if PyPI's API is unreachable)
	@if $(BIN)/python -c 'from urllib.request import urlopen; urlopen("$(ADVISORIES)", timeout=10)' 2>/dev/null; \
	then $(BIN)/uv tool run --quiet --python $(BIN)/python pip-audit $(AUDIT); \
	else echo "make audit: skipped, because $(ADVISORIES) does not answer"; fi

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
.venv/service: pyproject.toml | $(BIN)/python
	$(BIN)/pip $(PIP_INSTALL) --editable . && touch $@
.venv/training: pyproject.toml | $(BIN)/python
	$(BIN)/pip $(PIP_INSTALL) --editable '.[training]' && touch $@ .venv/service
.venv/all: pyproject.toml | $(BIN)/python
	$(BIN)/pip $(PIP_INSTALL) --editable '.[training,test]' && touch $@ .venv/training .venv/service
$(RECOGNISER) $(DETECTOR): | $(BIN)/python
	echo '$(RAPIDOCR)' | $(BIN)/pip $(PIP_INSTALL) --no-deps --require-hashes --upgrade --target data --requirement /dev/stdin
$(BIN)/uv: | $(BIN)/python
	$(BIN)/pip $(PIP_INSTALL) uv
.venv/peers .venv/ocr: | $(BIN)/python
	$(PYTHON) -m venv $@
	$@/bin/pip $(PIP_INSTALL) $(PACKAGES)
.venv/peers: PACKAGES := torch pillow litserve bentoml httptools
.venv/ocr: PACKAGES := ddddocr onnxruntime rapidocr

# So that a .venv without pip, as Debian's Python without python3-venv leaves it, is set up again.
.DELETE_ON_ERROR:

.PHONY: help run check test train train-lines train-pages evaluate robustness real peers pages formats forms bench soak faults screenshot numbers fuzz hostile clients docs lock notices audit
