# What a developer, a trial or CI starts. `make run` and `make test` need Debian 12 with python3-venv and make,
# and a package index. See .ci/run for what a change must pass.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
# Programs and tests start from compiled rooms: half the time of each of the hundreds that tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run setup test lint bench sim prove prove-short power pressure mutants fuzz clean

run: .venv/.stamp
	$(BIN)/posswitch demo --calm

setup: .venv/.stamp

.venv/.stamp: requirements/all.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/all.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# A file's tests stay on one worker: they may share a journal or a port. The longest begin first (tests/conftest.py).
# Most of them wait, for timers and for processes: two cores have room for three workers.
TEST_WORKERS ?= 3
QUICK := -m "not slow" -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
test: .venv/.stamp
	$(BIN)/python -m pytest $(QUICK)

lint: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.stamp
	for topic in codec crypto journal switch tls overload; do $(BIN)/posswitch bench $$topic || exit 1; done

# Worlds of one seed each: everything goes wrong, nothing may be lost.
SEEDS ?= 1-1000
REQUESTS ?= 500
sim: .venv/.stamp
	$(BIN)/posswitch sim --seeds $(SEEDS) --requests $(REQUESTS) --workers $(WORKERS)

# Both need root: they cut the power of a file system.
prove: .venv/.stamp
	$(BIN)/python -m pytest $(QUICK) --hypothesis-profile=fresh
	$(BIN)/python -m pytest -m slow
	$(BIN)/posswitch sim --seeds 1-10000 --requests 500 --workers $(WORKERS)
	mkdir -p build
	$(BIN)/posswitch demo --seconds 1000 --kills 200 --no-console --report build/prove.json
	$(BIN)/python .ci/check_report.py build/prove.json --kills 200 --purchases-min 50000
	$(BIN)/python -m tests.power.run --cuts 20 --seconds-between 10
	$(BIN)/python -m tests.power.million
	$(BIN)/python -m tests.drills.run --diagnosis  # about an hour
	$(MAKE) pressure mutants

prove-short: .venv/.stamp
	$(BIN)/posswitch sim --seeds 1-300 --requests 300 --workers $(WORKERS)
	$(BIN)/python -m pytest -q -m slow tests/cli/test_ping_lines.py tests/demo/test_demo_quiet.py
	$(BIN)/python -m pytest -q -rPs -m slow tests/console/test_first_five_minutes.py  # skipped without chromium
	mkdir -p build
	$(BIN)/posswitch demo --seconds 90 --kills 20 --no-console --report build/prove-short.json
	$(BIN)/python .ci/check_report.py build/prove-short.json --kills 20 --purchases-min 5000
	$(BIN)/python -m tests.power.run --cuts 2 --seconds-between 5 || test $$? -eq 2  # 2: no disk may be mounted here
	$(BIN)/python -m tests.pressure.banks --fault silent,one-site --seconds 7 --pairs 1 --tps 200 --no-speed
	$(BIN)/python -m tests.pressure.floods --attack together,tls-together --seconds 6 || test $$? -eq 2  # no network

# Power cuts of a loop-mounted ext4 under the real switch; needs root.
CUTS ?= 20
power: .venv/.stamp
	$(BIN)/python -m tests.power.run --cuts $(CUTS) --seconds-between 10

# More load than it can carry, ill banks, floods; the floods need root for a network of their own.
PRESSURE_SECONDS ?= 20
pressure: .venv/.stamp
	$(BIN)/posswitch bench overload
	$(BIN)/python -m tests.pressure.banks --seconds $(PRESSURE_SECONDS)
	$(BIN)/python -m tests.pressure.floods --seconds $(PRESSURE_SECONDS)

# Bugs that somebody could write, one at a time: the simulated worlds must see each.
mutants: .venv/.stamp
	$(BIN)/python -m tests.mutants.run --workers $(WORKERS)

# Blind mutations of everything that reads what others send; see tests/fuzz for the hunt that follows coverage.
FUZZ_RUNS ?= 200000
fuzz: .venv/.stamp
	$(BIN)/python -m tests.fuzz.plain --runs $(FUZZ_RUNS) --workers $(WORKERS)

clean:
	rm -rf .venv build src/*.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
