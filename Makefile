# Everything is made inside this clone, in .venv and .local; `make clean` removes it all.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test check bench bench-large torture poison quality clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup:
	@$(PYTHON) deploy/bootstrap.py

demo: setup ## Run everything with a simulated fleet, until Ctrl-C or FOR=45 seconds
	@$(BIN)/carbonflow demo $(if $(FOR),--for $(FOR)s --json)

test: check ## Lint, types, import layers, and all tests with a real database and broker
	@$(BIN)/pytest $(PYTEST_ARGS)

check: setup ## Lint, formatting, types and import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## Measure speed, latency and memory beside references, or only NAMES; writes bench-results.json
	@$(BIN)/carbonflow bench $(NAMES) $(if $(REPEATS),--repeats $(REPEATS))

bench-large: setup ## Ask the views of a portfolio of METERS=10000 and a year of hours: 25 GB of disk, half an hour
	@$(BIN)/python -m tests.benchmarks.sql_speed $(if $(METERS),--meters $(METERS)) $(if $(DAYS),--days $(DAYS))

torture: setup ## Kill everything at random for SECONDS=60 (KILLS=100 at least) and show that nothing is lost
	@$(BIN)/python -m tests.torture $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(BROKER_KILLS),--broker-kills $(BROKER_KILLS))

poison: setup ## Send COUNT=100000 payloads that no device should send, and show what becomes of each
	@$(BIN)/python -m tests.poison $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

quality: setup ## Put faults into DAYS=5 of simulated readings, and count which are found
	@$(BIN)/python -m tests.quality.measure $(DAYS)

clean: ## Stop what this clone started; remove .venv, .local and caches
	@$(PYTHON) -B deploy/bootstrap.py clean
