# The commands of the project; `make help` lists them. What is longer than two lines stands in scripts/.

PYTHON ?= $(shell scripts/which_python.sh)
VENV   := .venv
PY     := $(VENV)/bin/python
HVELV  := $(VENV)/bin/hvelv

export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup system session-env node-tools axe demo up down test test-full check format docs bench audit-dp utility mutants attacks screenshots requirements test-fresh clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

system: ## install the Debian packages that are needed (as root; else name them)
	@scripts/setup_system.sh

setup: system ## make .venv with what requirements/dev.txt pins, and the hvelv command
	@scripts/setup.sh $(VENV)

session-env: ## make the Python environment that sessions see
	@scripts/session_environment.sh

node-tools: setup ## install the hub's proxy
	@scripts/node_tools.sh build/node $(VENV)

axe: setup ## install what looks for barriers on pages
	@scripts/node_tools.sh build/axe $(VENV) axe-core@4.14.1

ready: setup session-env node-tools

demo: ready ## walk the whole road on real data, and leave it running
	@$(HVELV) demo

up: ready ## start everything
	@$(HVELV) up

down: ## stop everything
	@$(HVELV) down

test: ready axe ## the tests, without the slow ones
	@$(PY) -m pytest -n 2 --no-loadscope-reorder -m "not slow" $(T)

test-full: ready axe ## all tests
	@$(PY) -m pytest $(T)

check: setup ## lint, types, import contracts, generated pages, translations
	@scripts/check.sh $(VENV)

format: setup ## format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

docs: setup ## write the generated pages anew
	@$(PY) -m hvelv.operation.reference

bench: ready ## benchmarks; B=name for one
	@$(PY) scripts/bench.py $(B)

audit-dp: setup ## how much one person shows in each kind of answer, against what is claimed (half an hour); K=name for one
	@$(PY) benchmarks/audit_dp.py --kind "$(K)"

utility: setup ## how useful answers are at epsilon 1: writes docs/privacy/utility.md (some minutes)
	@$(PY) benchmarks/utility.py

mutants: ready ## planted defects that the tests have to catch; M=name for one
	@$(PY) scripts/mutants.py $(M)

attacks: setup ## which rows of the attack list are tested
	@$(PY) scripts/attacks.py

screenshots: ready axe ## pictures of the pages, into build/screenshots
	@$(PY) scripts/screenshots.py

requirements: ## pin the requirements anew (needs uv)
	@scripts/requirements.sh

test-fresh: ## demo and test, twice each, in a bare Debian tree (as root)
	@scripts/fresh.sh

clean: ## stop, and remove what was built and the data in var/
	@if [ -x $(HVELV) ]; then $(HVELV) down; fi
	@rm -rf build var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
