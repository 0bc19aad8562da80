# The only commands a newcomer needs. `make` lists them.

SHELL := /bin/bash
DATA ?= tidemill-data
HTTP ?= 127.0.0.1:7300
JOURNAL ?=
ONLY ?=
# One profile serves everything, so that a machine builds every crate once.
CARGO_FLAGS ?= --locked

.DEFAULT_GOAL := help
.PHONY: help run plugins examples build test bench lint fmt clippy doc clean tools

help: ## List the commands
	@echo "Tidemill: stream processing on a shared journal. Commands:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1  \2/p' $(MAKEFILE_LIST)
	@echo
	@echo "Settings: DATA=$(DATA)  HTTP=$(HTTP)  JOURNAL=url  (make run);  ONLY=name  (make bench)"

run: plugins build ## Build everything and start a node with a simulated power station
	target/debug/tidemill demo --data "$(DATA)" --http "$(HTTP)" --plugins target/plugins $(if $(JOURNAL),--journal "$(JOURNAL)")

plugins: tools ## Build the Wasm plugins into target/plugins
	@sdk/build-plugins.sh

examples: ## Build and test the plugin template of every language into target/examples
	@sdk/build-examples.sh

build: tools ## Build the command: target/debug/tidemill
	cargo build $(CARGO_FLAGS) -p tidemill-cli

test: plugins examples build ## Run all tests
	cargo test $(CARGO_FLAGS) --workspace
	cargo test $(CARGO_FLAGS) --manifest-path journal/object/s3-tests/Cargo.toml --target-dir target/s3
	tests/browser/run.sh

bench: plugins examples tools ## Measure; ONLY=name runs one benchmark. Results: target/bench.json
	cargo build $(CARGO_FLAGS) -p tidemill-cli -p tidemill-bench
	cargo run $(CARGO_FLAGS) -p tidemill-bench -- $(if $(ONLY),--only $(ONLY))

lint: fmt clippy doc ## Check formatting, clippy and the documentation, warnings are errors

fmt: tools
	cargo fmt --all --check

clippy: tools
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

doc: tools
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps

clean: ## Delete everything that was built (not the data)
	cargo clean

# What everything needs. Says what is missing and how to get it.
tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: on Debian or Ubuntu, apt-get install build-essential" >&2; exit 1; }
