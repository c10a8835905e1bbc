# The ways to run, try, check and measure Bellwether. `make` lists them.
# A fresh machine needs Rust and make; the rest is installed when it is first needed.

T := $(or $(CARGO_TARGET_DIR),target)
CARGO ?= cargo
HERD_DIR ?= herd-data
ROUNDS ?= 5
SECONDS ?= 3
RIVALS := --locked --manifest-path bench/rivals/Cargo.toml --target-dir $(T)/rivals

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-smoke build-bench fmt clean deps
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start a herd of five nodes with real stories in it; ^C drains it
	$(CARGO) build --release --locked
	@exec env T=$(T) HERD_DIR=$(HERD_DIR) examples/run-herd.sh

test: deps ## install what the tests need, then run them all
	$(CARGO) test --locked

check: deps ## all that has to hold before a change lands: format, lints, docs, tests, benches
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path bench/rivals/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy $(RIVALS) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	$(MAKE) test
	$(MAKE) bench-smoke

bench: build-bench ## measure beside the rivals: ROUNDS=5 SECONDS=3, CASES="hello iamat publish idle"
	$(T)/venv/bin/python bench/bench.py --target $(T) --rounds $(ROUNDS) --seconds $(SECONDS) $(CASES)

bench-smoke: build-bench ## run each bench for a moment: it must give figures, not good ones
	$(T)/venv/bin/python bench/bench.py --target $(T) --smoke $(CASES)

build-bench: deps $(T)/.deps-bench
	$(CARGO) build --release --locked
	$(CARGO) build --release $(RIVALS)

fmt: ## format the sources
	$(CARGO) fmt
	$(CARGO) fmt --manifest-path bench/rivals/Cargo.toml

clean: ## remove what was built and installed (not the herd's data in herd-data/)
	$(CARGO) clean

deps: $(T)/.deps-test $(T)/.deps-venv $(T)/.deps-npm ## install what tests and benches need

$(T)/.deps-test: tests/deps.sh
	tests/deps.sh curl git strace venv node npm
	@mkdir -p $(T) && touch $@

$(T)/.deps-bench: tests/deps.sh
	tests/deps.sh wrk taskset venv
	@mkdir -p $(T) && touch $@

$(T)/.deps-venv: tests/clients/requirements.txt | $(T)/.deps-test
	python3 -m venv --clear $(T)/venv
	$(T)/venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(T)/.deps-npm: tests/clients/package.json tests/clients/package-lock.json | $(T)/.deps-test
	@mkdir -p $(T)/npm && cp $^ $(T)/npm/
	npm ci --prefix $(T)/npm --silent --no-audit --no-fund --ignore-scripts
	@touch $@
