#!/usr/bin/env bash
# Builds the docs as a site, in target/book; `make docs` fetches mdbook and mdbook-mermaid for it.
# On GitHub a page links to files of the repository by their paths. In the book a page at the top is the page of docs/ that
# includes it, and other files are copied beside the pages.
set -euo pipefail
cd "$(dirname "$0")/.."
pages=target/book-pages
scripts=target/book-scripts

rm -rf target/book $pages $scripts
cp -r docs $pages
mkdir $scripts

rules=()
while IFS=: read -r page include; do
    top=${include#*include ../}
    top=${top%\}\}*}
    name=${page##*/}
    rules+=(-e "s#\]\(\.\./${top//./\\.}([)\#])#]($name\1#g")
    # From the top to docs/: a link without a scheme is relative.
    sed -E -e 's#\]\(([^)(:\#]+)([)\#])#](../\1\2#g' -e 's#\]\(\.\./docs/#](#g' "$top" >"$pages/$name"
done < <(grep -H '^{{#include' docs/*.md)
sed -E -i "${rules[@]}" $pages/*.md

while read -r file; do
    mkdir -p "$(dirname "$pages/files/$file")"
    cp -r "$file" "$pages/files/$file"
done < <(grep -ohE '\]\(\.\./[^)#]+' $pages/*.md | sed 's#](../##' | sort -u)
sed -E -i 's#\]\(\.\./#](files/#g' $pages/*.md

# It wants the book.toml that it would put its scripts into.
touch $scripts/book.toml
RUST_LOG=warn mdbook-mermaid install $scripts
mdbook build
