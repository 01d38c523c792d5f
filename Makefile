# For a fresh Debian or Ubuntu machine that has git, make and Rust: each installs what it needs and the machine lacks.
# `make demo` shows it move; `make test` fetches Apache Kafka and runs every check.

kafka_home := $(CURDIR)/target/kafka

# Programs that the targets below run, for them alone: built soonest.
tools := $(CURDIR)/target/tools
install := CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(tools)

# As the tests have built it.
instructions := cargo bench --profile dev --bench instructions

.PHONY: help test lean demo docs docs-write soak simulate deny package dist fuzz bench bench-peers instructions setup

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## Check format, lints, documentation and every test
	scripts/setup.sh $(kafka_home) browser
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	# Of what clippy has checked, so nothing is checked again.
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --lib --document-private-items
	# They wait for servers most of the time: two at once use a third of 2 cores.
	FRESHET_KAFKA_HOME=$(kafka_home) RUST_TEST_THREADS=$$(($$(nproc) > 5 ? $$(nproc) : 5)) cargo test --workspace
	$(instructions)

lean: ## Check the program without its optional features
	scripts/setup.sh
	cargo clippy --no-default-features -- -D warnings
	cargo test --no-default-features --test lean

# librdkafka takes 121 s of CPU to build with its own -O2 -g, 63 s with -O1 -g0, and 36 s with -O0 -g0 and without its C++ part.
# 300,000 messages then take 0.5 s of CPU to produce instead of 0.3 (2026-11-28, 2 cores).
demo: ## Show it move on this machine; ARGS="--rate 5000 --for 60s"
	scripts/setup.sh
	@test -x target/demo/freshet || echo "demo: building Freshet, about 3 minutes on 2 cores; the next start takes seconds"
	@if pkg-config --exists libzstd; then export ZSTD_SYS_USE_PKG_CONFIG=1; fi; \
		CFLAGS="-O0 -g0" GNUMAKEFLAGS="LIBSUBDIRS=src" \
		cargo run --profile demo --no-default-features --features demo -- demo $(ARGS)

# mdbook-mermaid warns of any mdbook but the one that it was built with.
docs: ## Build README and docs/ as a site, in target/book
	$(install) mdbook@0.5.0 --no-default-features --features search
	$(install) mdbook-mermaid@0.17.1
	PATH="$(tools)/bin:$$PATH" scripts/book.sh

docs-write: ## Write what is made from the program: schema.sql, and of docs/ settings, tables, metrics, exit statuses
	FRESHET_WRITE_DOCS=1 cargo test --test all docs::generated::

# The table "Fault injection" in docs/verification.md lists them.
soak: setup ## Run the tests of crashes, outages and limits in full: hours, and a day of schedules
	for part in cluster restarts faults refusals end_to_end lag limits crowd visitors http_fuzz failover ownership snapshots poolers identity truncation starts leaders rebuild removed upgrade soak; do \
		FRESHET_KAFKA_HOME=$(kafka_home) FRESHET_REQUIRE_KAFKA=1 FRESHET_SOAK=1 \
			cargo test --release --test all -- --nocapture $$part:: || failed=1; \
	done; \
	FRESHET_SOAK=1 cargo test --release --test simulation -- --nocapture || failed=1; \
	test -z "$$failed"

simulate: ## Run workers and writer under random schedules; SEEDS=100000
	FRESHET_SIMULATION_SEEDS=$(or $(SEEDS),100000) cargo test --release --test simulation -- --nocapture tables

# Licences and sources of the dependencies, and whether each is used; and known holes in them, where the list of those can be
# had. It is a git repository on GitHub and in no package registry. With FRESHET_REQUIRE_ADVISORIES=1 it is an error if it cannot be had.
deny: ## Check licences, sources, use and known holes of the dependencies
	$(install) cargo-deny@0.20.2 cargo-machete@0.9.2
	$(tools)/bin/cargo-machete . fuzz
	$(tools)/bin/cargo-deny --workspace check bans licenses sources
	if $(tools)/bin/cargo-deny --workspace fetch db; then $(tools)/bin/cargo-deny --workspace check advisories; \
		else echo "deny: the list of known holes cannot be had here, so nothing is said of them" >&2; \
		test "$$FRESHET_REQUIRE_ADVISORIES" != 1; fi

# The Debian package of what the tests have built: installed, started, stopped and removed in a Debian of its own, as root.
package: setup ## Install, start and remove the Debian package in a Debian of its own; as root
	$(install) cargo-deb@3.8.0
	PATH=$(tools)/bin:$$PATH FRESHET_TRY_PACKAGE=1 cargo test --test all package::

# A release, in target/packages: the Debian package, the tarball, what they are made of, the checksums.
dist: ## Build a release: Debian package, tarball, SBOM, checksums
	$(install) cargo-deb@3.8.0
	$(install) cargo-cyclonedx@0.5.9
	scripts/dist.sh $(tools)

# Any bytes against the decoder, which must agree with the tests' oracle; and under any model, where its quick way must agree with
# the exact one. An input of these begins with the number of its model. Needs a nightly Rust and cargo-fuzz.
fuzz: ## Feed the decoder any bytes; needs a nightly Rust and cargo-fuzz
	mkdir -p fuzz/corpus/decode fuzz/corpus/models
	cargo build --release
	target/release/freshet generate --events 500 --hostile 0.8 | (cd fuzz/corpus/decode && split -l 1 -a 3 - event)
	number=0; for shape in glamira segment snowplow posthog ga4 nginx; do \
		target/release/freshet generate --shape $$shape --events 100 --hostile 0.5 | sed "s/^/$$number/" \
			| (cd fuzz/corpus/models && split -l 1 -a 3 - $$shape); number=$$((number + 1)); done
	for target in decode models; do cargo +nightly fuzz run --sanitizer none $$target -- \
		-dict=fuzz/decode.dict -max_len=8192 -runs=$(or $(RUNS),1000000) || exit 1; done

# Criterion's own lines tell of noise and changes; what is wanted is the time of each bench.
bench: setup ## Measure throughput, freshness and cost
	cargo build --profile dist
	mkdir -p target
	FRESHET_KAFKA_HOME=$(kafka_home) target/dist/freshet bench \
		--records 5000000 --rate 2000,20000 --restart 5000000 --products 20000,1000000 >target/bench.md
	{ printf '\n```text\n'; cargo bench --profile dist $(addprefix --bench ,decode dataflow top_k sink) && echo '```'; } >>target/bench.md
	cat target/bench.md

# Each counts four of the six reports, and its tables must be those of Freshet.
bench-peers: setup ## Measure beside a script, Spark and Flink; ARGS="--records 5000000 --runs 5"
	python3 -m venv target/peers
	target/peers/bin/pip install --quiet --requirement benches/peers/requirements.txt
	mvn -q -B -f benches/peers/flink.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/target/peers/flink
	cargo build --release
	PATH=$(CURDIR)/target/peers/bin:$$PATH target/release/freshet bench --kafka-home $(kafka_home) \
		--records 2000000 --runs 3 --workers 1 --views view_product_detail \
		$(addprefix --peer benches/peers/,script.py spark.py flink) $(ARGS)

# Notes how many instructions a record takes, which `make test` then holds to 5 %: for changes that are meant.
instructions: setup ## Note the instructions per record that `make test` holds to
	$(instructions) -- --write

setup: ## Install what building and testing need, and fetch Apache Kafka
	scripts/setup.sh $(kafka_home)
