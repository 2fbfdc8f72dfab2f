#!/bin/sh
# Makes the scripts behind `node:*` in the cache outside of the clone. Prints the path of their folder. Running it again
# changes nothing; see README.md.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
sources=$here/../../js/node
cache=${STEAD_CACHE:-$HOME/.cache/stead}
# What goes in is in the folders' names, so that a change makes them anew.
packages=$cache/node-library/packages-$(cksum <"$here/package.json" | cut -d' ' -f1)
made=$cache/node-library/$(cat "$here/package.json" "$here/bundle.mjs" "$here/bundle.sh" "$sources"/*.js | cksum | cut -d' ' -f1)

if [ ! -e "$made" ]; then
  if ! command -v npm >/dev/null; then
    echo "building Stead needs npm: parts of Node's modules come from there" >&2
    exit 1
  fi
  work=
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  mkdir -p "$cache/node-library"
  if [ ! -e "$packages" ]; then
    work=$(mktemp -d "$cache/node-library/work.XXXXXX")
    cp "$here/package.json" "$work"
    (cd "$work" && npm install --no-audit --no-fund --loglevel=error >&2)
    mv "$work" "$packages" || [ -e "$packages" ]
  fi
  work=$(mktemp -d "$cache/node-library/work.XXXXXX")
  node "$here/bundle.mjs" "$packages" "$sources" "$work" >&2
  mv "$work" "$made" || [ -e "$made" ]
fi
echo "$made"
