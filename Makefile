# The one command for a fresh Debian or Ubuntu machine that has git, make and Rust: it installs what is missing, fetches
# Apache Kafka for the tests, and runs every check.

kafka_home := $(CURDIR)/target/kafka

.PHONY: test soak setup

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	FRESHET_KAFKA_HOME=$(kafka_home) cargo test --workspace

# The tests of crashes, outages and limits, each fault ten times as often.
soak: setup
	FRESHET_KAFKA_HOME=$(kafka_home) FRESHET_REQUIRE_KAFKA=1 FRESHET_TEST_REPEAT=$(or $(REPEAT),10) \
		cargo test --release --test restarts --test faults --test limits -- --nocapture

setup:
	scripts/setup.sh $(kafka_home)
