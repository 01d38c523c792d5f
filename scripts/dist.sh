#!/usr/bin/env bash
# Makes what a release consists of, in target/packages: the Debian package, the tarball, what they are made of (CycloneDX), and
# the checksums of all three. The same commit on the same Debian with the same Rust gives the same bytes.
# Cargo's tools are taken from the folder $1.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$1/bin:$PATH LC_ALL=C
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
# No path of this machine is in the program.
RUSTFLAGS="--remap-path-prefix=$PWD=/freshet --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export SOURCE_DATE_EPOCH RUSTFLAGS

cargo build --profile dist --locked
scripts/stage.sh target/dist
version=$(target/dist/freshet --version)
name=freshet-${version#freshet }-$(uname -m)-linux-gnu
packages=target/packages
rm -rf "$packages"
mkdir -p "$packages/$name/systemd"

cargo deb --no-build --output "$packages/"

cp -r target/dist/{freshet,man,completions,reports,THIRD-PARTY-LICENSES.txt} target/dist/doc/. LICENSE "$packages/$name"
cp packaging/freshet.{service,env} "$packages/$name/systemd"
tar --create --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w --mtime="@$SOURCE_DATE_EPOCH" \
    --directory "$packages" "$name" | gzip --no-name --best >"$packages/$name.tar.gz"
rm -r "${packages:?}/$name"

# It writes one for each member of the workspace, beside its manifest, with paths of this machine.
cargo cyclonedx --format json --target "$(rustc -vV | sed -n 's/^host: //p')" --override-filename sbom.tmp
sed "s|file://$PWD|file:///freshet|g" sbom.tmp.json >"$packages/$name.cdx.json"
find . -name sbom.tmp.json -not -path './target/*' -delete

(cd "$packages" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
