# make run, make test: everything else is for people who change the code. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 3000
BIN = $(VENV)/bin
DATA = .run/data
WORKERS ?= $(shell expr $$(nproc) + 2)

.PHONY: run test test-all test-long mutate lint types layers build catalogue pictures check clean bench bench-import bench-serve bench-kv bench-memcached bench-statistics

# Try it: a virtual environment, a sample of 100,000 avatars, a server on http://127.0.0.1:3000 (or PORT=4000)
run: $(VENV)/.run
	@test -d $(DATA) || $(BIN)/n2k -q --dir $(DATA) init
	@test -f .run/sample.csv.bz2 || $(BIN)/n2k sample --rows 100000 --seed 1 -o .run/sample.csv.bz2
	$(BIN)/n2k --dir $(DATA) import .run/sample.csv.bz2
	@echo
	@echo "Ask in another terminal (the answer is behind the arrow):"
	@echo "  curl 'http://127.0.0.1:$(PORT)/?name=Masakazu+Kojima'                        -> a27b84f0-2757-4176-9579-43a181d4a5a0"
	@echo "  curl 'http://127.0.0.1:$(PORT)/?key=3d6181b0-6a4b-97ef-18d8-722652995cf1'    -> Governor Linden"
	@echo "  curl 'http://127.0.0.1:$(PORT)/name2key?terse=1&name=username'               -> 3223a4e4-01c6-44f8-9aa1-df790e02aa93"
	@echo
	@$(BIN)/n2k --dir $(DATA) serve --port $(PORT) || { code=$$?; \
		test $$code -ne 84 || echo "port $(PORT) is taken: make run PORT=4000 takes another" >&2; exit $$code; }

# Every test, with the real web servers, in two processes more than there are cores, since tests wait for others; prints branch coverage and fails below what setup.cfg asks for.
# Installs what the tests need when it may, else says what to install.
test: $(VENV)/.test
	sh .ci/packages apache2 libapache2-mod-fcgid libapache2-mod-passenger libapache2-mod-wsgi-py3 nginx-light lighttpd systemd lbzip2 pigz strace chromium php-cli memcached libmemcached-tools php-memcached prometheus
	version=$$($(BIN)/python -m tests.support.hosted_python); test -z "$$version" || \
		$(MAKE) VENV=".venv-$$version" PYTHON="$$(sh .ci/python "$$version")" ".venv-$$version/.test"
	$(BIN)/python -m pytest -p tests.support.coverage -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The tests on every Python that we support; ends with one line per version, and fails if one of them is missing.
test-all:
	sh .ci/test-all 3.10 3.11 3.12 3.13

# What the tests do a dozen or thirty times, three hundred times: kill writers, compare with a model, send generated requests.
# And every command of tests/cli, started anew instead of forked by a process that has imported what all of them import.
# Takes minutes.
test-long: $(VENV)/.test
	KILLS=300 EXAMPLES=1000 $(BIN)/python -m pytest -q tests/store/keyvalue/test_kills.py tests/store/keyvalue/test_model.py tests/servers/memcached/test_kills.py
	EXAMPLES=300 $(BIN)/python -m pytest -q tests/web/test_openapi.py
	EXAMPLES=1500 $(BIN)/python -m pytest -q tests/store/differences/test_histories.py
	EXAMPLES=3000 $(BIN)/python -m pytest -q tests/servers/memcached/test_differential.py
	COLD=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/cli

# Changes one thing at a time in the files that setup.cfg lists under [mutmut], and prints the changes that no test notices. Takes
# half an hour on two cores; ONLY='n2k_fcgi.model.names*' takes a minute.
mutate: $(VENV)/.test
	$(BIN)/python -m tests.support.mutations $(ONLY)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

layers: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/test_layers.py

# A wheel in dist, which answers a lookup from another folder, installed into a fresh environment.
build: $(VENV)/.test
	sh .ci/wheel $(BIN)/python

# The texts of the pages: extracted from the templates, merged into the catalogue of each language, compiled. docs/pages.md says how
# to add a language.
LOCALE = n2k_fcgi/web/pages/locale
catalogue: $(VENV)/.test
	$(BIN)/pybabel -q extract -F .ci/babel.cfg --no-location --sort-output --width=120 --add-comments=NOTE --project=n2k_fcgi \
		--header-comment="# Texts of the pages of n2k_fcgi: make catalogue writes this file." -o $(LOCALE)/n2k.pot n2k_fcgi/web/pages
	$(BIN)/pybabel -q update -D n2k -i $(LOCALE)/n2k.pot -d $(LOCALE) --width=120 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -D n2k -d $(LOCALE)

# The pictures of the documentation, from their text. The tests compare words, so that another version of graphviz will do.
pictures:
	sh .ci/packages graphviz
	for name in docs/pictures/*.dot; do dot -Tsvg -o "$${name%.dot}.svg" "$$name" || exit 1; done

# The pictures of the pages, of made-up people: the same each time, but for the days of the status page and the fonts of this machine.
screenshots: $(VENV)/.test
	sh .ci/packages apache2 libapache2-mod-fcgid chromium
	$(BIN)/python -m tests.support.screenshots

# Imports beside Python's own decompression, in one run, a month of nights among them; prints ratios. ROWS=100000 takes a minute,
# ROWS=10000000 half an hour and 10 GB of disk. Measures the disk of BENCH_DIR, /var/tmp without it.
ROWS ?= 1000000
bench-import: $(VENV)/.test
	sh .ci/packages apache2 libapache2-mod-fcgid lbzip2 pigz
	$(BIN)/python -m tests.bench.bench_import $(ROWS)

# Lookups beside FastCGI programs in C, in Go (where there is a toolchain) and flup's own server, in one run; prints ratios.
# Then requests at random moments behind Apache, for a quarter of an hour, two minutes each.
bench-serve: $(VENV)/.test
	sh .ci/packages gcc libfcgi-dev apache2 libapache2-mod-fcgid nginx-light
	$(BIN)/python -m tests.bench.bench_serve $(ROWS)

# The key-value service beside py-lmdb alone and sqlite3, in one run; prints ratios. Measures the disk of BENCH_DIR, /var/tmp without it.
bench-kv: $(VENV)/.test
	sh .ci/packages gcc libfcgi-dev
	$(BIN)/python -m tests.bench.bench_kv

# n2k memcached beside memcached, Redis (in its durable form) and an empty loop in Python, in one run; prints ratios. Measures the disk of
# BENCH_DIR, /var/tmp without it.
bench-memcached: $(VENV)/.test
	sh .ci/packages gcc memcached redis-server
	$(BIN)/python -m tests.bench.bench_memcached

# What is counted of 100,000 requests over four workers, some of which are killed; fails if it is more, or less than they had noted.
bench-statistics: $(VENV)/.test
	sh .ci/packages gcc
	$(BIN)/python -m tests.bench.bench_statistics

bench: bench-import bench-serve bench-kv bench-memcached bench-statistics

# What the gate runs.
check:
	bash .ci/run

clean:
	rm -rf $(VENV) .venv-* .run build dist mutants *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import ensurepip' || sh .ci/packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python setup.cfg $(shell find n2k_fcgi -name '*.py') $(wildcard lsl/*.lsl)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[server]'
	@touch $@

$(VENV)/.test: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $@
