# The ways to run, try, check and measure Bellwether. `make` lists them.
# A fresh machine needs Rust and make; the rest is installed when it is first needed.

T := $(or $(CARGO_TARGET_DIR),target)
CARGO ?= cargo
HERD_DIR ?= herd-data
ROUNDS ?= 5
SECONDS ?= 2
STOPPED ?= 30
MINUTES ?= 10
TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))
FUZZ := $(T)/tools/bin/cargo-fuzz
FUZZED := -s none --fuzz-dir fuzz --target-dir $(T)/fuzz
RIVALS := --locked --manifest-path bench/rivals/Cargo.toml --target-dir $(T)/rivals
FRAMEWORKS := --locked --manifest-path bench/frameworks/Cargo.toml --target-dir $(T)/frameworks
CASE ?= hello

.DEFAULT_GOAL := help
.PHONY: help run test check sim soak bench bench-smoke bench-gate build-bench build-rivals flame fuzz fuzz-keep fmt clean deps
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start a herd of five nodes with real stories in it; ^C drains it
	$(CARGO) build --release --locked
	@exec env T=$(T) HERD_DIR=$(HERD_DIR) examples/run-herd.sh

test: deps ## install what the tests need, then run them all
	@rm -f $(T)/tmp/skipped
	$(CARGO) test --locked
	@[ ! -f $(T)/tmp/skipped ] || cat $(T)/tmp/skipped

check: deps ## all that has to hold before a change lands: format, lints, docs, tests, benches
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path bench/rivals/Cargo.toml
	$(CARGO) fmt --check --manifest-path bench/frameworks/Cargo.toml
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(RIVALS) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	$(MAKE) test
	$(MAKE) sim
	$(MAKE) bench-smoke
	$(MAKE) bench-gate

sim: ## simulate 200 herds of 5 to 12 whole nodes in a storm, and one of 1,000 nodes
	$(CARGO) build --release --locked
	$(T)/release/bellwether sim --nodes 5-12 --faults storm --seeds 200
	$(T)/release/bellwether sim --nodes 1000 --degree 8 --faults none --updates 50

soak: ## simulate herds in a storm from fresh seeds on, for MINUTES=10
	$(CARGO) build --release --locked
	@seed=$$(date +%s)000; echo "seeds from $$seed on"; \
	$(T)/release/bellwether sim --nodes 5-12 --faults storm --seed $$seed --minutes $(MINUTES)

bench: build-bench build-rivals ## measure beside all rivals: ROUNDS=5 SECONDS=2, CASES="hello publish", BEFORE=REVISION
	$(T)/venv/bin/python bench/bench.py --target $(T) --rounds $(ROUNDS) --seconds $(SECONDS) \
	    --stopped-seconds $(STOPPED) $(if $(BEFORE),--before $(T)/before/release/bellwether) $(CASES)

bench-smoke: build-bench ## run each bench for a moment: it must give figures, not good ones
	$(T)/venv/bin/python bench/bench.py --target $(T) --smoke $(CASES)

flame: deps ## where the time goes in one case, as target/bench/flame-CASE.svg: CASE=hello
	tests/deps.sh perf wrk taskset
	CARGO_PROFILE_RELEASE_STRIP=none $(CARGO) build --release --locked
	$(CARGO) build --release $(RIVALS)
	$(T)/venv/bin/python bench/flame.py --target $(T) $(CASE)

bench-gate: $(T)/.deps-gate ## count instructions and system calls; none may grow (RENEW=1: write the table)
	$(CARGO) build --release --locked --workspace
	python3 bench/gate.py --target $(T) $(if $(RENEW),--renew)

build-bench: deps $(T)/.deps-bench
	$(CARGO) build --release --locked
	$(CARGO) build --release $(RIVALS)
ifdef BEFORE
	@rm -rf $(T)/before/src && mkdir -p $(T)/before/src
	git archive $(BEFORE) | tar -x -C $(T)/before/src
	$(CARGO) build --release --locked --manifest-path $(T)/before/src/Cargo.toml --target-dir $(T)/before
endif

# A rival that cannot be had is named in the results, and hinders no other.
build-rivals: deps
	@for tool in nginx h2o redis-server innd; do \
	    tests/deps.sh $$tool || echo "bench: goes on without $$tool" >&2; \
	done
	@$(T)/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --requirement bench/requirements.txt || echo "bench: goes on without nats-server" >&2
	@$(CARGO) build --release $(FRAMEWORKS) || echo "bench: goes on without the frameworks" >&2

fuzz: MINUTES = 5
fuzz: $(FUZZ) ## look for inputs that break a promise: MINUTES=5 each, TARGETS="peer line"
	tests/deps.sh c++
	@for target in $(TARGETS); do \
	    echo "fuzz $$target for $(MINUTES) min"; \
	    mkdir -p $(T)/fuzz/corpus/$$target; \
	    $(FUZZ) run $(FUZZED) $$target $(T)/fuzz/corpus/$$target fuzz/corpus/$$target -- \
	        -max_total_time=$$(($(MINUTES) * 60)) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
	        -print_final_stats=1 || exit 1; \
	done

fuzz-keep: $(FUZZ) ## add to fuzz/corpus what TARGETS found that leads somewhere new
	@for target in $(TARGETS); do \
	    $(FUZZ) run $(FUZZED) $$target fuzz/corpus/$$target $(T)/fuzz/corpus/$$target -- \
	        -merge=1 -max_len=512 || exit 1; \
	done

$(FUZZ):
	$(CARGO) install cargo-fuzz --locked --version 0.13.2 --root $(T)/tools

fmt: ## format the sources
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path bench/rivals/Cargo.toml
	$(CARGO) fmt --manifest-path bench/frameworks/Cargo.toml
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean: ## remove what was built and installed (not the herd's data in herd-data/)
	$(CARGO) clean

deps: $(T)/.deps-test $(T)/.deps-venv $(T)/.deps-npm ## install what tests and benches need

$(T)/.deps-test: tests/deps.sh Makefile
	tests/deps.sh chromium curl expect git innd ip iptables node npm nsenter openssl promtool \
	    slrn slrnpull strace systemd-socket-activate telnet testssl tin venv
	@mkdir -p $(T) && touch $@

$(T)/.deps-bench: tests/deps.sh
	tests/deps.sh wrk taskset venv
	@mkdir -p $(T) && touch $@

$(T)/.deps-gate: tests/deps.sh
	tests/deps.sh strace valgrind
	@mkdir -p $(T) && touch $@

$(T)/.deps-venv: tests/clients/requirements.txt | $(T)/.deps-test
	python3 -m venv --clear $(T)/venv
	$(T)/venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(T)/.deps-npm: tests/clients/package.json tests/clients/package-lock.json | $(T)/.deps-test
	@mkdir -p $(T)/npm && cp $^ $(T)/npm/
	npm ci --prefix $(T)/npm --silent --no-audit --no-fund --ignore-scripts
	@touch $@
