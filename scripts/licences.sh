#!/usr/bin/env bash
# Prints under what licences the crates are that the program is made of: one line for each crate, then each text once.
# Arguments are those of the build, as `--no-default-features`.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

target=$(rustc -vV | sed -n 's/^host: //p')

# Name and version, licence and folder of each that is not of this workspace: deny.toml sees to it that they are of crates.io.
crates() {
    local name licence
    cargo tree --locked --edges normal --target "$target" --prefix none --no-dedupe --format '{p}|{l}' "$@" |
        grep -v ' (/' | sed 's/ (proc-macro)//; s/ v/-/' | sort -u | while IFS='|' read -r name licence; do
        echo "$name|$licence|$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name")"
    done
}

texts() {
    find "$1" -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'copyright*' \) \
        ! -name '*.rs' ! -name '*.html' ! -name '*.py' ! -path '*/tests/*' ! -path '*/benches/*' | sort
}

declare -A numbers
files=()
while IFS='|' read -r crate licence folder; do
    line="$crate: $licence:"
    while read -r sum file; do
        if [[ ! ${numbers[$sum]:-} ]]; then
            files+=("$file")
            numbers[$sum]=${#files[@]}
        fi
        line+=" [${numbers[$sum]}]"
    done < <(texts "$folder" | xargs --no-run-if-empty -d '\n' sha256sum)
    [[ $line != *: ]] || line+=" without a text"
    echo "$line"
done < <(crates "$@")
for index in "${!files[@]}"; do
    printf '\n%s\n[%d]\n\n' "$(printf '=%.0s' {1..80})" $((index + 1))
    cat "${files[index]}"
done
