# `make run` and `make test` set up all that is missing on a fresh machine; the other targets are for those who develop.
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: run test test-long lint format load evidence docs sbom audit fuzz fuzz-port scan locks clean

BOARD := streams/board/static/board.js

run: .venv/.installed $(BOARD)
	@exec $(BIN)/vagt up --demo $(if $(DATA),--data "$(DATA)")

# Three at a time, each with a Kafka of its own: many tests wait for a broker most of their time.
test: lint .venv/.browser
	$(BIN)/pytest -n 3 --junitxml=dist/tests/quick.xml

# What waits for minutes: brokers that are away, workers that fall silent, two releases side by side. And properties are
# tried on examples that no run had before.
test-long: .venv/.installed-dev $(BOARD)
	$(BIN)/pytest -m "not slow and not broker and not long" --hypothesis-profile=search
	$(BIN)/pytest -m long --junitxml=dist/tests/long.xml

lint: .venv/.installed-dev $(BOARD)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd streams/board/browser && node_modules/.bin/tsc

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The service beside a bare echo: see docs/load.md.
load: .venv/.installed-dev
	$(BIN)/python -m load_tests.latency

# The documents for approval, in evidence/: see docs/evidence.md.
evidence: .venv/.installed-dev $(BOARD)
	$(BIN)/python -m deploy.evidence.build

# The documentation's site, in dist/site.
docs: .venv/.installed-dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "Read dist/site/index.html"

# What the product is made of (CycloneDX): see docs/supply-chain.md.
sbom: .venv/.installed
	$(BIN)/python -m deploy.sbom

# Known vulnerabilities of the locked packages. OFFLINE=1 allows that nobody could be asked.
audit: .venv/.installed-dev
	@OFFLINE="$(OFFLINE)" $(BIN)/python -m deploy.audit

# Ten minutes for each input parser, or MINUTES.
fuzz: .venv/.installed-dev
	$(BIN)/python -m load_tests.fuzz --minutes $(or $(MINUTES),10)

# Ten minutes of bytes that are no requests, on the board's port, or MINUTES.
fuzz-port: .venv/.installed-dev $(BOARD)
	$(BIN)/python -m load_tests.port --minutes $(or $(MINUTES),10)

# The board against its own OpenAPI document.
scan: .venv/.installed-dev $(BOARD)
	$(BIN)/python -m load_tests.scan --examples $(or $(EXAMPLES),200)

# Takes the newest versions that pyproject.toml allows.
locks: .venv/.installed-dev
	$(LOCK) --upgrade --group build pyproject.toml -o requirements.lock
	$(LOCK) --upgrade --group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf streams/board/static streams/board/browser/node_modules .venv .venv-quix .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist evidence
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BOARD): .venv/.machine $(wildcard streams/board/browser/*.json streams/board/browser/*.mjs streams/board/browser/src/*)
	@echo "Building the board's pages"
	@cd streams/board/browser && npm ci --silent --no-audit --no-fund && node build.mjs
	@touch $@

.venv/.browser: deploy/browser.sh .venv/.machine
	@deploy/browser.sh
	@touch $@

.venv/.machine: deploy/setup.sh
	@deploy/setup.sh
	@touch $@

.venv/.installed: .venv/.machine requirements.lock pyproject.toml
	@echo "Installing the Python packages (a minute or a few, only once)"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	@echo "Installing the Python packages for development"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
