# Freshet in an image: `docker build --tag freshet .`, and with a Kafka and a Postgres beside it `docker compose up --build`.
# The image runs `freshet run --wait`; its settings are FRESHET_ variables.

FROM rust:1.95.0-slim-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libssl-dev make pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /freshet
COPY . .
# The caches outlive a build, so a second one compiles only what has changed; what they hold is not in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/freshet/target \
    cargo build --profile dist --locked && cp target/dist/freshet /usr/local/bin/

FROM debian:13.7-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3t64 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 freshet \
    && useradd --uid 10001 --gid freshet --no-create-home --shell /usr/sbin/nologin freshet
COPY --from=build /usr/local/bin/freshet /usr/local/bin/freshet
COPY packaging/healthy.sh /usr/local/bin/freshet-healthy
COPY dataflows/reports /usr/share/freshet/reports
COPY LICENSE /usr/share/doc/freshet/
USER 10001:10001
# All addresses of the container, as it is the container's network that says who comes.
ENV FRESHET_HTTP=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 CMD ["freshet-healthy"]
ENTRYPOINT ["freshet"]
CMD ["run", "--wait"]
