# Every target runs on a fresh clone: it installs what it needs into .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PYTHONPATH := src:.

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  %-18s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@echo "setup: installing the locked packages into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## install the locked packages into .venv

.PHONY: controlplane
controlplane: setup ## fetch or build etcd, kube-apiserver, kube-controller-manager, kube-scheduler (once)
	@$(BIN)/python -m hack.controlplane fetch

.PHONY: demo
demo: setup ## watch custom resources become a running app on a real API server (KEEP=1 leaves it running)
	@$(BIN)/python -m hack.demo $(if $(KEEP),--keep)

.PHONY: run
run: setup ## run the controller against the current kubeconfig (ARGS="--namespace x")
	@$(BIN)/kaspr-controller run $(ARGS)

.PHONY: test
test: lint types verify test-unit chart-test test-integration test-kafka ## everything CI runs

.PHONY: test-unit
test-unit: setup ## pure tests: no network, no control plane
	@$(BIN)/python -m pytest tests/unit --reruns 1 -rsxXEfR $(ARGS)

.PHONY: gotools
gotools: setup ## fetch or build helm and promtool (once)
	@$(BIN)/python -m hack.gotools fetch helm promtool

.PHONY: chart-test
chart-test: gotools ## the chart: rendered for sets of values; its alerts and dashboards, read by Prometheus' own checker
	@$(BIN)/python -m pytest tests/chart $(ARGS)

.PHONY: test-integration
test-integration: controlplane gotools ## tests on a real API server with simulated nodes and members
	@$(BIN)/python -m pytest tests/integration --reruns 1 -rsxXEfR $(ARGS)

.PHONY: test-kafka
test-kafka: setup ## tests on a real Kafka broker; skipped, with the reason, where there is no Java or no mvn
	@$(BIN)/python -m pytest tests/kafka --reruns 1 -rsxXEfR $(ARGS)

.PHONY: bench
bench: controlplane ## measure the controller and the floor side by side: 10 and 100 apps, ten minutes
	@$(BIN)/python -m bench $(ARGS)

.PHONY: bench-full
bench-full: controlplane ## the same with 10, 300 and 1 000 apps, each twice, and longer periods; give the machine an hour
	@$(BIN)/python -m bench --full --apps 10 300 1000 $(ARGS)

.PHONY: bench-micro
bench-micro: setup ## the price of each step of a reconcile, next to its budget
	@$(BIN)/python -m bench.micro $(ARGS)

.PHONY: e2e
e2e: setup ## tests in a kind cluster (NAME=kaspr-e2e, an existing one is reused; TESTS=tests/e2e/x.py ARGS=--keep-cluster)
	@$(BIN)/python -m hack.kind node-image > /dev/null
	@$(BIN)/python -m pytest $(or $(TESTS),tests/e2e) --cluster-name $(or $(NAME),kaspr-e2e) $(ARGS)

.PHONY: lint
lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: fmt
fmt: setup ## format and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: types
types: setup ## mypy, strict
	@$(BIN)/mypy

.PHONY: manifests
manifests: setup ## generate CRDs, manifests, parts of the chart and reference pages from the sources
	@$(BIN)/python -m hack.manifests

.PHONY: verify
verify: setup ## fail when a generated file is stale
	@$(BIN)/python -m hack.manifests --check

.PHONY: image
image: setup ## build the container image (IMAGE=name, BASE=public|local|name, PLATFORMS=linux/amd64,linux/arm64)
	@$(BIN)/python -m hack.image build --image "$(IMAGE)" --base "$(BASE)" --build-base "$(BUILD_BASE)" --platforms "$(PLATFORMS)"

.PHONY: sbom
sbom: setup ## write the bill of materials of the image, dist/sbom.cdx.json
	@$(BIN)/python -m hack.image sbom --image "$(IMAGE)"

.PHONY: golden-update
golden-update: gotools ## rewrite the golden files from the renderers; review the diff
	@GOLDEN_UPDATE=1 $(BIN)/python -m pytest -q tests/unit/desired tests/unit/status tests/chart

.PHONY: lock
lock: ## resolve the locked packages anew (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet pyproject.toml -o requirements.lock
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --group dev pyproject.toml -o requirements-dev.lock

.PHONY: docker
docker: setup ## install and start a Docker engine from the distribution's packages (needs root)
	@$(BIN)/python -m hack.kind docker

.PHONY: kind-up
kind-up: setup ## make a Kubernetes cluster in Docker (NAME=kaspr; KASPR_NODE_IMAGE_SOURCE=auto|public|local)
	@$(BIN)/python -m hack.kind $(if $(NAME),--name $(NAME)) up

.PHONY: kind-down
kind-down: setup ## remove that cluster with all that is in it
	@$(BIN)/python -m hack.kind $(if $(NAME),--name $(NAME)) down

.PHONY: deploy
deploy: setup ## build the image and install the controller in that cluster, which is made if need be
	@$(BIN)/python -m hack.kind $(if $(NAME),--name $(NAME)) deploy

.PHONY: undeploy
undeploy: setup ## remove the controller from it; custom resources and apps stay
	@$(BIN)/python -m hack.kind $(if $(NAME),--name $(NAME)) undeploy

.PHONY: clean
clean: ## remove the virtual environment and caches of this folder
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
