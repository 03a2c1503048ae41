# make book: run the notebooks and build the book. make test: style and all tests.
# The rest is in README.md.
PROFILE ?= quick
CORES   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
PYTHON  ?= python3
BIN     := .venv/bin
RUN     := results/$(PROFILE)
# What was asked for reaches the recipes as variables of the shell: one word, whatever it holds.
export RUN
export ASKED_PROFILE  := $(PROFILE)
export ASKED_CORES    := $(CORES)
export ASKED_UNITS    := $(UNITS)
export ASKED_EXECUTOR := $(EXECUTOR)
WHERE   := $(if $(EXECUTOR),--workflow-profile "cluster/$$ASKED_EXECUTOR",--cores "$$ASKED_CORES")
PARTS   := notebooks records figures tables
export PATH := $(CURDIR)/$(BIN):$(PATH)
ifdef DATA_DIR
export GANMC_DATA := $(shell python3 -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$(DATA_DIR)")
endif

.PHONY: book run plan site bench publish torture clean test test-style test-package test-notebooks
.PHONY: test-compress test-stages test-cluster

book: run
	@rm -rf "$$RUN/site/published" && mkdir -p "$$RUN/site/published"
	@cp -r _config.yml _toc.yml CHANGELOG.md book "$$RUN/site/"
	@for part in $(PARTS); do cp -r "$$RUN/$$part" "$$RUN/site/published/"; done
	@cp -r published/benchmarks published/data_cards "$$RUN/site/published/"
	@python -m ganmc_utils.report.reproduction "$$RUN/site/published"
	@jupyter-book build -q -W -n --keep-going "$$RUN/site"
	@echo "Open $(CURDIR)/$$RUN/site/_build/html/index.html"

# EXECUTOR names a folder of cluster/; without one this machine runs every job.
run: .venv/.installed
	@python -m ganmc_utils.core.workflow "$$ASKED_PROFILE" $(if $(UNITS),"units=$$ASKED_UNITS") $(WHERE) || { \
	    find "$$RUN/logs" -name '*.log' -newer "$$RUN/.lock" -exec tail -qn 1 {} + 2>/dev/null \
	    | grep Error >&2; exit 1; }  # what stopped a chapter is the last line on the screen

plan: .venv/.installed
	@python benchmarks/schedule.py plan "$$ASKED_PROFILE"

site: .venv/.installed
	@jupyter-book build -q -W -n --keep-going .
	@echo "Open $(CURDIR)/_build/html/index.html"

test: .venv/.installed test-style  # then four parts, two at a time, a core each
	@$(MAKE) -j2 -Otarget --no-print-directory test-package test-notebooks test-stages test-compress

test-style: .venv/.installed
	@ruff format --check -q . && ruff check -q .

test-package:
	@OMP_NUM_THREADS=1 GANMC_THREADS=1 pytest tests --ignore-glob "tests/test_compress*" \
	    --ignore tests/test_stages.py --ignore tests/test_cluster.py

test-compress:
	@OMP_NUM_THREADS=1 GANMC_THREADS=1 pytest tests/test_compress*

test-stages:
	@OMP_NUM_THREADS=1 GANMC_THREADS=1 pytest tests/test_stages.py

test-notebooks:
	@OMP_NUM_THREADS=1 GANMC_THREADS=1 GANMC_OUT=$$(mktemp -d) \
	    pytest --nbval-lax --nbval-cell-timeout=600 notebooks

# It needs root for a SLURM of its own, and the packages that tests/test_cluster.py names.
test-cluster: .venv/.installed
	@pip install -q -r cluster/requirements.txt
	@pytest -rs tests/test_cluster.py

bench: .venv/.installed
	@python benchmarks/bench.py

# The chapters that the run of PROFILE holds become what the book shows, with the results that they
# were drawn from; the scoreboard judges all that is published. PROFILE has to be named.
publish: .venv/.installed
	@python book/publish.py $(if $(filter file,$(origin PROFILE)),,"$$ASKED_PROFILE")
	@python book/headline.py

# Kills, a full disk, Ctrl-C, two runs at once: results must be those of a quiet run. Half an hour.
torture: .venv/.installed
	@python tests/torture.py

clean:
	rm -rf _build results .snakemake

.venv/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@
