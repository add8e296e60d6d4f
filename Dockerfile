# The image of the controller. `make image` builds it and chooses the base; see hack/image/README.md.
# Two stages, no instruction that only one builder knows: docker build, buildx (amd64, arm64), podman and kaniko all do.

# Needs python3 (3.11 or newer) and a CA bundle, nothing else: no shell, no package tools.
ARG BASE=python:3.13-slim-bookworm
# Needs pip, tar and find beside the same minor version of Python.
ARG BUILD_BASE=python:3.13-slim-bookworm

FROM ${BUILD_BASE} AS build
# Of a mirror; pip reads it from the environment.
ARG PIP_INDEX_URL
# What pip imports would be compiled before the step below, which takes only what it has compiled itself.
ENV PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY hack/image/requirements.lock hack/image/build.lock ./
RUN install="python3 -m pip install --quiet --no-cache-dir --no-compile --no-deps --only-binary=:all: --require-hashes" \
    && $install --target /output/opt/kaspr-controller -r requirements.lock \
    && $install --target tools -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN PYTHONPATH=tools python3 -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
    && python3 -m pip install --quiet --no-compile --no-deps --no-index --target /output/opt/kaspr-controller wheels/*.whl \
    && rm -rf /output/opt/kaspr-controller/bin
# Bytecode, ours and the standard library's where the base has none: the root file system is read-only, so without it every
# start compiles some 600 modules.
RUN touch before \
    && library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /output/opt/kaspr-controller \
    && python3 -m compileall -q "$library" \
        -x '/(dist-packages|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|test|tests|tkinter|turtledemo)/' \
    && find "$library" -name '*.pyc' -newer before -print0 | tar --null --files-from=- -cPf - | tar -xf - -C /output

FROM ${BASE}
ARG BASE
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="kaspr-controller" \
      org.opencontainers.image.description="Kubernetes operator for Kaspr stream-processing apps on Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /output/ /
ENV PYTHONPATH=/opt/kaspr-controller PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, so that runAsNonRoot can be checked without /etc/passwd.
USER 65532:65532
WORKDIR /
EXPOSE 8000
ENTRYPOINT ["python3", "-m", "kaspr_controller"]
CMD ["run"]
