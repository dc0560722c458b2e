# Everything here makes its own virtual environment first; Python 3.11 or newer, make and git are enough.

VENV ?= .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
ROUNDS ?= 200
ON_AWS = $(filter-out 0,$(AWS))
# Processes that tests run in. A selection runs in one: it starts at once and can be looked into.
WORKERS ?= $(if $(ARGS),0,auto)
KILL ?= $(if $(ON_AWS),tests/kill/test_aws.py tests/kill/test_aws_verbs.py,tests/kill --ignore-glob '*/test_aws*')
FASTAPI_VERSIONS ?= 0.121 0.130 0.140 0.150 0.160
COMPILE = uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help environments demo serve test pictures kill lint bench matrix matrix-oldest requirements clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@tools/venv "$(VENV)" requirements/dev.txt

$(VENV)/.bench: requirements/bench.txt $(VENV)/.ready
	@tools/venv "$(VENV)" requirements/dev.txt requirements/bench.txt
	@touch $@

demo: $(VENV)/.ready $(if $(ON_AWS),$(VENV)-aws/.ready) ## a 10 MB import under kill -9, told as a story (CSV=path SEED=n JSON=1; AWS=1: on a local AWS)
	@"$(BIN)/$(if $(ON_AWS),python" -m tests.aws.demo,twolane" demo) $(if $(CSV),--csv "$(CSV)") $(if $(SEED),--seed "$(SEED)") $(if $(filter-out 0,$(JSON)),--json)

serve: $(VENV)/.ready ## the example app at http://127.0.0.1:8000 (HOST= PORT=)
	@"$(BIN)/uvicorn" app.main:app --app-dir examples/flights --host "$(HOST)" --port "$(PORT)"

$(VENV)-aws/.ready: requirements/aws-server.txt
	@tools/venv "$(VENV)-aws" requirements/aws-server.txt

$(VENV)-oldest/.ready: requirements/oldest.txt
	@tools/venv "$(VENV)-oldest" requirements/oldest.txt

environments: $(VENV)/.ready $(VENV)-aws/.ready $(VENV)-oldest/.ready ## the virtual environments of .ci/run

test: $(VENV)/.ready $(VENV)-aws/.ready ## the tests (ARGS="tests/backends -k blobs" WORKERS=4)
	@"$(BIN)/python" -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

pictures: $(VENV)/.ready ## the pictures of docs/flights.md, taken anew
	@TWOLANE_PICTURES=docs/images "$(BIN)/python" -m pytest tests/browser -k pictures $(ARGS)

kill: $(VENV)/.ready $(if $(ON_AWS),$(VENV)-aws/.ready) ## the long kill test: 200 rounds of real SIGKILLs each (ROUNDS=n SEED=n KILL=file; AWS=1: on a local AWS, and as many of a bad network)
	@TWOLANE_KILL_ROUNDS="$(ROUNDS)"$(if $(SEED), TWOLANE_KILL_SEED="$(SEED)") "$(BIN)/python" -m pytest -n auto --dist worksteal $(KILL) $(ARGS)

lint: $(VENV)/.ready ## ruff, mypy, pyright, import-linter
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/pyright" --pythonpath "$(BIN)/python"
	@"$(BIN)/lint-imports"

bench: $(VENV)/.bench $(VENV)-aws/.ready ## how fast, beside bare sketches and peers
	@"$(BIN)/python" -m benchmarks $(ARGS)

matrix: $(foreach version,$(FASTAPI_VERSIONS),matrix-$(version)) matrix-oldest ## the FastAPI door with each FastAPI (FASTAPI_VERSIONS=)

matrix-oldest: $(VENV)-oldest/.ready ## the FastAPI door with the oldest FastAPI and pydantic
	@"$(VENV)-oldest/bin/python" -m pytest tests/fastapi -m "not aws" -p no:cacheprovider $(ARGS)

matrix-%: requirements/oldest.in
	@mkdir -p "$(VENV)-$*"
	@sed -e '/^pydantic/d' -e 's/^fastapi.*/fastapi==$*.*/' requirements/oldest.in > "$(VENV)-$*.in"
	@tools/venv "$(VENV)-$*" "$(VENV)-$*.in"
	@"$(VENV)-$*/bin/python" -m pytest tests/fastapi -m "not aws" -p no:cacheprovider $(ARGS)

requirements: $(VENV)/.ready ## compile requirements/*.in anew (needs uv; it is installed into the environment where missing)
	@command -v uv >/dev/null || "$(BIN)/python" -m pip install --quiet uv
	@for name in dev oldest bench aws-server; do PATH="$(BIN):$$PATH" $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit; done

clean: ## remove the environments and what tools cached
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
