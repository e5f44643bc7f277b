# Every task of a developer; each brings what it needs. `make help` lists them.
# A line `name: … ## text` is what `make help` prints, in this order.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Arguments for the program that a target runs: make run ARGS='--port 9000', make test ARGS='-k cursor'.
ARGS ?=
# How many tests run at once: make test JOBS=2. Each of them has servers of its own. One, unless told otherwise:
# tests that measure time are best left alone.
JOBS ?=
VENV := .venv
# The rooms of tests that run the code of core, log and gateway within their own process, where lines can be counted.
MEASURED := tests/core tests/log tests/gateway tests/server tests/simulation
PYTHON_IN_VENV := $(VENV)/bin/python
# A suite starts hundreds of processes. Each would compile the code anew where the environment forbids to keep it.
PYTEST := PYTHONDONTWRITEBYTECODE= $(PYTHON_IN_VENV) -m pytest
INSTALL = echo 'installing into $(VENV) …' >&2; $(PYTHON_IN_VENV) -m pip install --quiet --disable-pip-version-check --editable
PACKAGING := setup.cfg pyproject.toml notify_sse/__init__.py

.PHONY: run test check lint coverage docs services services-stop bench fault fuzz mutants client-builds clients pictures constraints audit clean help

run: $(VENV)/.run ## the service on the embedded default, with its demo page (no broker, no database needed)
	@exec $(PYTHON_IN_VENV) -m notify_sse serve $(ARGS)

test: $(VENV)/.test ## the whole suite, against private RabbitMQ and Postgres servers that it starts itself
	@$(PYTEST) $(if $(JOBS),-n $(JOBS) --dist worksteal) $(ARGS)

check: lint coverage ## lint, types, import rules, then the whole suite with its coverage: what CI runs
	@$(MAKE) test ARGS='$(addprefix --ignore=,$(MEASURED)) $(ARGS)'

lint: $(VENV)/.check ## ruff, mypy and the import rules; Biome and tsc for the JavaScript
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(PYTHON_IN_VENV) -m mypy
	@$(VENV)/bin/lint-imports
	@$(PYTHON_IN_VENV) -m tests.client

coverage: $(VENV)/.test ## the tests of core, log and gateway, and which of their lines no test runs: none may be left
	@$(PYTEST) $(if $(JOBS),-n $(JOBS) --dist worksteal) --cov= $(MEASURED)

docs: $(VENV)/.docs ## the documentation site with search, into build/docs; fails on a link that leads nowhere
	@$(VENV)/bin/zensical build --config-file mkdocs.yml --clean --strict

services: $(PYTHON_IN_VENV) ## start RabbitMQ and Postgres for development, and print what to export
	@$(PYTHON_IN_VENV) -m tests.support.services up

services-stop: $(PYTHON_IN_VENV) ## stop them, and remove their data
	@$(PYTHON_IN_VENV) -m tests.support.services down

bench: $(VENV)/.test ## measure latency, throughput and memory, beside the usual way of doing it
	@$(PYTHON_IN_VENV) -m tests.comparison $(ARGS)

fault: $(VENV)/.test ## a campaign of injected faults under load, and a checker of the promise
	@$(PYTHON_IN_VENV) -m tests.fault $(ARGS)

fuzz: $(VENV)/.test ## hostile input of every kind, with a watchdog beside the service (make fuzz ARGS='--share 0.01')
	@$(PYTHON_IN_VENV) -m tests.security $(ARGS)

mutants: $(VENV)/.test ## take the defences out one by one, and show which test catches each
	@$(PYTHON_IN_VENV) -m tests.mutants $(ARGS)

client-builds: $(VENV)/.test ## the browser client in apps built by Vite 6, 7, 8, webpack, esbuild and Next, and in Vue and Svelte, each run in Chromium
	@NOTIFY_SSE_CLIENT_BUILDS=all $(PYTHON_IN_VENV) -m pytest tests/browser/test_builds.py $(ARGS)

clients: $(VENV)/.test ## other clients of the stream, and other publishers, npm, Python, Java and Go, each over kills and cuts; writes docs/reference/clients.md
	@$(PYTHON_IN_VENV) -m tests.compatibility $(ARGS)

pictures: $(VENV)/.test ## the documentation's pictures of the demo, taken anew: after each change of what it looks like
	@$(PYTHON_IN_VENV) -m tests.browser.pictures

constraints: $(VENV)/.run ## constraints.txt: the versions that are installed here, for installs that can be repeated
	@$(PYTHON_IN_VENV) -m pip install --quiet --disable-pip-version-check packaging
	@{ echo '# pip install -c constraints.txt notify-sse: the versions that the tests ran with. Written by `make constraints`.'; \
		$(PYTHON_IN_VENV) tools/constraints; } > constraints.txt

audit: $(VENV)/.audit ## known vulnerabilities of what the service and its tests need; the bill of materials goes to build/sbom.json
	@mkdir -p build
	@$(VENV)/bin/cyclonedx-py requirements constraints.txt --output-file build/sbom.json
	@$(VENV)/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt
	@npm audit --prefix tests/client

clean: ## stop the services, and remove everything that make made
	@if [ -e .services/state.json ]; then $(MAKE) services-stop; fi
	@rm -rf $(VENV) .services build dist .cache *.egg-info tests/system/clients/node_modules tests/compatibility/node/node_modules tests/client/node_modules .coverage .pytest_cache .mypy_cache \
		.ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ': .*## |: ## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(PYTHON_IN_VENV):
	@tools/venv $(VENV)

# Stamps: installed again only when the packaging changes; the code itself is installed in place (editable).
$(VENV)/.run: $(PACKAGING) | $(PYTHON_IN_VENV)
	@$(INSTALL) .
	@touch $@

$(VENV)/.docs: $(PACKAGING) | $(PYTHON_IN_VENV)
	@$(INSTALL) '.[docs]'
	@touch $@ $(VENV)/.run

$(VENV)/.audit: $(PACKAGING) | $(PYTHON_IN_VENV)
	@$(INSTALL) '.[audit]'
	@touch $@ $(VENV)/.run

$(VENV)/.test: $(PACKAGING) | $(PYTHON_IN_VENV)
	@$(INSTALL) '.[test]'
	@touch $@ $(VENV)/.docs $(VENV)/.run

$(VENV)/.check: $(PACKAGING) | $(PYTHON_IN_VENV)
	@$(INSTALL) '.[test,check]'
	@touch $@ $(VENV)/.test $(VENV)/.docs $(VENV)/.run
