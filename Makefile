# Two commands do all the set-up: `make run` and `make test`. Nothing but Python 3.10, make and the package registries is needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
TELLER := .venv/bin/teller
# `make run GPU=1` installs the GPU build of FAISS instead of the CPU one.
LOCK := requirements/lock-$(if $(GPU),gpu,cpu).txt

.PHONY: help run train test test-fast lint format evaluate bench doctor install lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

install: ## install the locked Python and front-end packages into .venv and bot/widget/node_modules
	@scripts/install.sh $(LOCK)

run: install ## install, train what changed, seed, start everything, print one address
	@exec $(TELLER) run

train: install ## train the bot and build the matching FAQ index
	@$(TELLER) train

test: install ## every test; needs no running stack
	@scripts/test.sh

test-fast: install ## unit, contract and architecture tests only
	@$(PY) -m pytest tests/unit tests/contracts tests/architecture

lint: install ## ruff
	@$(PY) -m ruff check .

format: install ## sort imports and fix what ruff can
	@$(PY) -m ruff check --fix .

evaluate: install ## score routing and FAQ answers on tests/benchmarks/questions.csv
	@$(TELLER) evaluate

bench: install ## time one message on one core and a turn through the running stack
	@$(PY) -m tests.benchmarks.turns

doctor: install ## check the set-up and say how to mend it
	@$(TELLER) doctor

lock: ## resolve requirements/*.in again (hashes, no registry addresses)
	@scripts/lock.sh

clean: ## remove what was installed and generated, var/ included
	rm -rf .venv var bot/widget/node_modules *.egg-info
