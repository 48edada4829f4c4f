# Each target is enough alone on a fresh machine with Python 3.11. `make` lists them.
# Left out: everything that takes parameters; that is `.venv/bin/caderno --help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo smoke test lab bench gpu-check pins clean

# The first that really is a Python 3.11: a pyenv shim may be on PATH and lead nowhere.
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
ARGS ?=

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: ## create .venv with the pinned packages of this machine's set (CADERNO_SET=cpu or gpu to choose)
	@if ! command -v "$(firstword $(PYTHON))" >/dev/null; then \
		echo "set-up: no Python 3.11 on PATH under the names python3.11, python3 or python; expected one, for the pins" \
		"were compiled for it. Install it (pyenv install 3.11; apt install python3.11 python3.11-venv) or name it:" \
		"make setup PYTHON=/path/to/python3.11" >&2; exit 2; fi
	@$(PYTHON) scripts/setup_env.py

demo: setup ## from nothing to a validated GRPO run with a write-up, on a CPU
	$(BIN)/caderno run params/demo.yaml $(ARGS)

smoke: setup ## every stage at its smallest, through the same runner
	$(BIN)/caderno run params/smoke.yaml $(ARGS)

test: setup ## ruff, then pytest with every notebook run under smoke.yaml
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile $(ARGS)

lab: setup ## open JupyterLab on the notebooks, .py and .ipynb kept in step by jupytext
	@# From the root, where jupytext finds the pairing in pyproject.toml.
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks \
		--ServerApp.contents_manager_class=jupytext.TextFileContentsManager $(ARGS)

bench: setup ## measure what docs/benchmarks.md reports
	$(BIN)/python scripts/bench.py $(ARGS)

gpu-check: setup ## what works on this machine's GPU (ARGS="--architecture qwen3-4b --require grpo vllm")
	$(BIN)/python scripts/gpu_check.py $(ARGS)

guard-page: setup ## write docs/guides/guards.md from the guards themselves
	$(BIN)/python scripts/guard_page.py

pins: setup ## compile requirements/*.in and environment.yml again (ARGS=--upgrade for newer versions)
	$(BIN)/python scripts/compile_pins.py $(ARGS)

clean: ## remove .venv and caches; runs/ stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis lib/caderno.egg-info
	find lib tests scripts notebooks -depth \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
