# `make bench` ends with a report, `make test` runs what a change must pass, `make test-all` everything. tox does the
# work.
PYTHON ?= python3
VENV := .venv
TARE := $(VENV)/bin/tare
TOX := $(VENV)/bin/tox run

.DEFAULT_GOAL := help
.PHONY: help bench test test-all provision sweep clean

help:
	@echo "make bench      provision this host, run benches/quickstart.toml, write the report"
	@echo "make test       provision this host, run the checks that a change must pass"
	@echo "make test-all   provision this host, run every check"
	@echo "make provision  only make .venv and provision this host"
	@echo "make sweep      remove what killed runs left behind"
	@echo "make clean      remove .venv, .tox and caches of this folder (results stay)"

$(VENV)/.stamp: pyproject.toml constraints.txt scripts/bootstrap
	scripts/bootstrap $(PYTHON) $(VENV)
	touch $@

provision: $(VENV)/.stamp
	$(TARE) provision --yes

bench: provision
	$(TOX) -qq -e bench

test: provision
	$(TARE) provision --yes --for-tests
	$(TOX) -e lint,types,unit,core

test-all: provision
	$(TARE) provision --yes --for-tests
	$(TOX) -e lint,types,unit,cache,system,notebooks

sweep: $(VENV)/.stamp
	$(TARE) sweep

clean:
	rm -rf $(VENV) .tox .mypy_cache .pytest_cache .ruff_cache .hypothesis
