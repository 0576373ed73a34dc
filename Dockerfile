ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /build
COPY requirements.lock .
RUN pip install --prefix=/installed --only-binary=:all: --require-hashes -r requirements.lock
# Remove 90 MB that are unused at run time: tests, model tools, a second copy of ONNX Runtime, debug symbols.
RUN find /installed -depth \( -name tests -o -path '*/onnxruntime/transformers' -o -path '*/onnxruntime/quantization' \
        -o -path '*/onnxruntime/tools' -o -name 'libonnxruntime.so.*' \) -exec rm -r {} + \
    && find /installed -name 'fastcc3d.*.so' -exec strip --strip-debug {} +

FROM dependencies AS service
COPY requirements-build.lock .
RUN pip install --only-binary=:all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY models/*.onnx models/*-PaddleOCR models/
COPY app app
# Remove the wheel's copies of the models: the image has them in /models, in a layer that code changes do not invalidate.
RUN pip install --prefix=/service --no-deps --no-index --no-build-isolation . \
    && rm /service/lib/python*/site-packages/app/*.onnx

FROM python:${PYTHON_VERSION}-slim
# The release workflow adds source, revision and version (.github/workflows/release.yml).
LABEL org.opencontainers.image.title="Digits" \
    org.opencontainers.image.description="Reads handwritten digits and numbers from any picture." \
    org.opencontainers.image.licenses="MIT AND Apache-2.0"
# By default, OpenBLAS starts one thread per core, which 28×28 matrices do not need.
ENV OPENBLAS_NUM_THREADS=1 \
    DIGITS_HOST=0.0.0.0 \
    DIGITS_PORT=8000 \
    DIGITS_MODEL=/models/digits.onnx \
    DIGITS_LINES_MODEL=/models/lines.onnx \
    DIGITS_PAGES_MODEL=/models/pages.onnx
COPY --from=dependencies /installed /usr/local
COPY --chmod=644 LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/digits/
COPY --chmod=644 models/*.onnx models/*-PaddleOCR /models/
COPY --from=service /service /usr/local
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s \
    CMD ["python", "-c", "import os, http.client as http; health = http.HTTPConnection('127.0.0.1', int(os.environ['DIGITS_PORT'])); health.request('GET', '/health'); exit(health.getresponse().status != 200)"]
CMD ["digits", "serve"]
