# make            what there is
# make demo       a real cluster's rollout history, replayed here: no cluster, no Kafka
# make test       every test that can run on this machine; says what it left out
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2

.PHONY: help demo test lint bench acceptance docs goldens mutants
.DEFAULT_GOAL := help

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(BIN)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rollout-ledger needs Python 3.11 or newer" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[kafka]' --group dev
	@touch $@

demo: $(BIN)/.installed  ## Replay a recorded cluster, show its history, serve it in Datasette (ARGS=--no-web to end by itself)
	@$(BIN)/rollout-ledger demo $(ARGS)

test: $(BIN)/.installed  ## Run every test that can run here (ARGS are pytest's)
	@$(BIN)/python -m tests.lab.build all || test -z "$$ROLLOUT_LEDGER_REQUIRE_REAL"
	@$(BIN)/python -m pytest -m "not acceptance" --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(BIN)/.installed  ## ruff, mypy --strict, import-linter, the sizes of style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(BIN)/.installed  ## Events per second: the naive pipeline and ours, in one run; and the audit webhook for a minute
	@$(BIN)/python -m tests.bench.throughput $(ARGS)
	@$(BIN)/python -m tests.bench.webhook

acceptance: $(BIN)/.installed  ## The long random scenario against kubectl, three seeds of 200 steps
	@$(BIN)/python -m tests.lab.build all
	@$(BIN)/python -m pytest -m acceptance $(ARGS)

mutants: $(BIN)/.installed  ## Change the code ten thousand times and see which changes no test notices (two hours on two cores)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group mutation
	@PATH="$(CURDIR)/$(BIN):$$PATH" mutmut run --max-children $(WORKERS) $(ARGS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m tests.mutants

goldens: $(BIN)/.installed  ## Write anew what the fold makes of each recording; read the difference
	@$(BIN)/python -m tests.test_fold_golden

docs: $(BIN)/.installed  ## Write the generated pages again: docs/faults.md, docs/redaction.md
	@$(BIN)/python -m tests.faults > docs/faults.md.new
	@mv docs/faults.md.new docs/faults.md
	@$(BIN)/python -m tests.redaction_page > docs/redaction.md.new
	@mv docs/redaction.md.new docs/redaction.md
