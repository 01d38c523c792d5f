# The one command for a fresh Debian or Ubuntu machine that has git, make and Rust: it installs what is missing, fetches
# Apache Kafka for the tests, and runs every check. `make bench` measures instead, and writes target/bench.md.

kafka_home := $(CURDIR)/target/kafka

.PHONY: test bench setup

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	FRESHET_KAFKA_HOME=$(kafka_home) cargo test --workspace

# Criterion's own lines tell of noise and changes; what is wanted is the time of each bench.
bench: setup
	cargo build --release
	mkdir -p target
	FRESHET_KAFKA_HOME=$(kafka_home) cargo run --release --quiet -- bench --rate 2000 >target/bench.md
	{ printf '\n```text\n'; cargo bench --bench '*' && echo '```'; } >>target/bench.md
	cat target/bench.md

setup:
	scripts/setup.sh $(kafka_home)
