#!/usr/bin/env bash
# Installs what a build and a Postgres of our own need and this machine lacks. With a directory as $1 also fetches Apache
# Kafka into it, for tests and benches, and installs what that needs; with `browser` as $2 also Chromium and nginx, for the
# tests of the page.
# FRESHET_REQUIRE_KAFKA=1 and FRESHET_REQUIRE_BROWSER=1 make it an error if these cannot be had; otherwise the tests that
# need them are skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."
kafka_home=${1:-}
browser=${2:-}

has() { command -v "$1" >/dev/null; }

# Postgres' server programs are not on the PATH of a Debian machine.
has_postgres() {
    local directory
    for directory in "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin; do
        [[ -x $directory/initdb && -x $directory/postgres ]] && return
    done
    has initdb && has postgres
}

# Kafka 4 wants Java 17 or newer. `java -version` says: openjdk version "17.0.15" …
has_java() {
    local version
    has java || return
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [[ ${version:-0} -ge 17 ]]
}

# The default of an older Ubuntu is older than 17; the newest Debian has no 17 any more.
java_package() {
    if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
        echo openjdk-17-jre-headless
    else
        echo default-jre-headless
    fi
}

has_header() { echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

missing() {
    { has cc && has c++ && has make; } || echo build-essential
    has_header zlib.h || echo zlib1g-dev
    has_header openssl/ssl.h || echo libssl-dev
    has_header zstd.h || echo libzstd-dev
    has pkg-config || echo pkg-config
    has_postgres || echo postgresql
    [[ $kafka_home ]] || return 0
    has_java || java_package
    has mvn || echo maven
    has valgrind || echo valgrind
    [[ -x /usr/sbin/pgbouncer ]] || has pgbouncer || echo pgbouncer
    # For promtool, which tries the alert rules.
    has promtool || echo prometheus
    # For `make package`, and to check the unit.
    has mmdebstrap || echo mmdebstrap
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || echo debian-archive-keyring
    has systemd-nspawn || echo systemd-container
}

apt_install() {
    local sudo=()
    (($#)) || return 0
    echo "setup: installing with apt-get: $*"
    if ! has apt-get; then
        echo "setup: there is no apt-get here; please install what corresponds to: $*" >&2
        return 1
    fi
    ((EUID == 0)) || sudo=(sudo)
    "${sudo[@]}" apt-get update -q &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

install_missing() {
    local packages
    mapfile -t packages < <(missing)
    apt_install "${packages[@]}" || exit 1
}

# For the manifests of Kubernetes. Ubuntu has no such package.
install_kubectl() {
    has kubectl && return
    apt_install kubernetes-client && return
    echo "setup: there is no kubectl; the tests that need it are skipped, by name" >&2
}

has_nginx() { [[ -x /usr/sbin/nginx ]] || has nginx; }

# What finds in the page what somebody could not see, reach or hear.
fetch_axe() {
    local version=4.14.1 folder=target/axe
    [[ ! -e $folder/axe-core-$version.tgz ]] || return 0
    has npm || return
    echo "setup: fetching axe-core from npm into $folder"
    rm -rf "$folder"
    mkdir -p "$folder"
    npm pack --silent --pack-destination "$folder" "axe-core@$version" >/dev/null &&
        tar -xzf "$folder/axe-core-$version.tgz" -C "$folder" package/axe.min.js
}

# Ubuntu has no such packages of Chromium; there is a browser by other ways. The page is also looked at through nginx.
install_browser() {
    local lacks=()
    { has chromium && has chromedriver; } || apt_install chromium chromium-driver || lacks+=(Chromium)
    has_nginx || apt_install nginx-light || lacks+=(nginx)
    fetch_axe || lacks+=(axe-core)
    ((${#lacks[@]})) || return 0
    echo "setup: these cannot be had: ${lacks[*]}; the tests that need them are skipped, by name" >&2
    [[ ${FRESHET_REQUIRE_BROWSER:-} != 1 ]] || exit 1
}

# The copy of the pom beside the jars says what they are: another version in it is fetched again. A broken-off download
# never gets the name of a good one.
fetch_kafka() {
    local part=$kafka_home.part
    cmp -s kafka/pom.xml "$kafka_home/fetched.xml" && return
    echo "setup: fetching Apache Kafka from Maven Central into $kafka_home"
    rm -rf "$part"
    mvn -q -B -f kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$part/libs" || return
    cp kafka/pom.xml "$part/fetched.xml"
    rm -rf "$kafka_home"
    mv "$part" "$kafka_home"
}

install_missing
[[ $browser != browser ]] || install_browser
[[ $kafka_home ]] || exit 0
install_kubectl
if ! fetch_kafka; then
    echo "setup: Apache Kafka could not be fetched from Maven Central" >&2
    if [[ ${FRESHET_REQUIRE_KAFKA:-} == 1 ]]; then
        echo "setup: and FRESHET_REQUIRE_KAFKA=1 asks for it" >&2
        exit 1
    fi
    echo "setup: the tests run on librdkafka's in-process broker; those that need the real one are skipped, by name" >&2
fi
