#!/usr/bin/env bash
# Writes beside the program in the folder $1 what belongs to it in a package: man/, completions/, reports/, doc/ and the licences
# of what it is made of. Further arguments are those of the build, as `--no-default-features`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
shift
freshet=$folder/freshet

rm -rf "$folder"/{man,completions,reports,doc}
mkdir -p "$folder"/{man,completions,reports,doc/docs}
"$freshet" man >"$folder/man/freshet.1"
# Those of its help; the lines that go on are indented further.
for command in $("$freshet" -h | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' | grep -vx help); do
    "$freshet" man "$command" >"$folder/man/freshet-$command.1"
done
gzip --best --no-name "$folder"/man/*.1
"$freshet" completions bash >"$folder/completions/freshet.bash"
"$freshet" completions zsh >"$folder/completions/_freshet"
"$freshet" completions fish >"$folder/completions/freshet.fish"
scripts/licences.sh "$@" >"$folder/THIRD-PARTY-LICENSES.txt"
cp dataflows/reports/*.toml "$folder/reports"
# README.md and what it links to, laid out as here. Pages that only include another file are for the site.
cp -r README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md schema.sql observe deploy "$folder/doc"
grep --files-without-match '{{#include' docs/* | grep -v SUMMARY.md | xargs cp --target-directory "$folder/doc/docs"
