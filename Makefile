# The verbs of this project. `make demo` and `make test` work on a fresh machine: each sets up what it needs.
#
#   make setup   the Python environment (.venv) and, where it may, the Debian packages that the real-part tests use
#   make demo    a hub, two gateways and simulated field devices on this machine; SECONDS=30 ends by itself,
#                REPLAY=<folder of recorded data> plays recorded reality, SPEED=10 plays it faster
#   make test    all tests
#   make check   style, types, import contracts, profile lint
#   make check-panels   every panel and alert rule asked of a real InfluxDB, with the rows that come back
#   make bench   the measurements of bench/README.md, printed as ratios
#   make soak    the long tests, about two hours; each says its figures at the end. ONLY=kills runs those with that word in their name
#   make clean   everything these verbs made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
PACKAGES := mosquitto influxdb chromium postgresql
BENCHES := wire_bytes gateway_load plan_bytes bus_efficiency sick_devices scan_bus spool_bytes spool_backlog naive_publisher week_backlog panel_queries hub_transform hub_ingest fleet_2000 delay
# bash keeps a SECONDS of its own, which a Makefile never sees unless a person passes it
SECONDS ?=
REPLAY ?=
SPEED ?=
ONLY ?=
CHOSEN = $(if $(ONLY),-k "$(ONLY)")

.PHONY: setup packages demo test check check-panels bench soak clean lock

setup: $(STAMP) packages

$(STAMP): requirements.lock pyproject.toml
	@deploy/python-environment "$(PYTHON)" "$(VENV)"
	@touch $@

packages:
	@deploy/debian-packages $(PACKAGES)

demo: $(STAMP)
	@$(BIN)/python deploy/demo/demo.py $(if $(SECONDS),--seconds $(SECONDS)) $(if $(REPLAY),--replay "$(REPLAY)") $(if $(SPEED),--speed $(SPEED))

# Three side by side on two cores: most tests wait for real programs, lines and clocks.
test: setup
	$(BIN)/pytest --numprocesses 3 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sen-profile lint

check-panels: setup
	$(BIN)/python -m tests.grafana.check_panels

bench: setup
	@for program in $(BENCHES); do echo "== bench/$$program.py"; $(BIN)/python -m bench.$$program || exit 1; done

# What only thinks shares the cores; whole processes have the machine to themselves. Exit code 5: none was chosen.
soak: setup
	$(BIN)/pytest -m "soak and not real" --numprocesses 2 --dist worksteal $(CHOSEN) || [ $$? -eq 5 ]
	$(BIN)/pytest -m "soak and real" $(CHOSEN) || [ $$? -eq 5 ]

lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra edge --extra hub --group dev --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --upgrade -o requirements.lock

clean:
	rm -rf $(VENV) .sen build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
