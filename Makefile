# The one command for a fresh Debian or Ubuntu machine that has git, make and Rust: it installs what is missing, fetches
# Apache Kafka for the tests, and runs every check.

kafka_home := $(CURDIR)/target/kafka

.PHONY: test setup

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	FRESHET_KAFKA_HOME=$(kafka_home) cargo test --workspace

setup:
	scripts/setup.sh $(kafka_home)
