ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock .
# Without what only tests, and tools that make models, would import: 40 MB.
RUN pip install --prefix=/installed --only-binary=:all: --require-hashes -r requirements.lock \
    && find /installed -depth -type d -path '*/site-packages/*' \
        \( -name tests -o -path '*/onnxruntime/transformers' -o -path '*/onnxruntime/tools' \
        -o -path '*/onnxruntime/quantization' \) -exec rm -r {} +

FROM dependencies AS service
COPY requirements-build.lock .
RUN pip install --only-binary=:all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip install --prefix=/service --no-deps --no-index --no-build-isolation .

FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="Digits" \
    org.opencontainers.image.description="Reads a handwritten digit from any picture." \
    org.opencontainers.image.licenses="MIT"
ENV PYTHONUNBUFFERED=1 \
    DIGITS_HOST=0.0.0.0 \
    DIGITS_PORT=8000 \
    DIGITS_MODEL=/models/digits.onnx
COPY --from=dependencies /installed /usr/local
COPY models/digits.onnx /models/
COPY --from=service /service /usr/local
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s \
    CMD ["python", "-c", "import os, http.client as http; health = http.HTTPConnection('127.0.0.1', int(os.environ['DIGITS_PORT'])); health.request('GET', '/health'); exit(health.getresponse().status != 200)"]
CMD ["digits", "serve"]
