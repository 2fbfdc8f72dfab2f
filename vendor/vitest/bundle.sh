#!/bin/sh
# Makes the library that `stead test` gives to tests: parts of vitest from npm as one module, in the cache outside of the
# clone. Prints the module's path. Running it again changes nothing; see README.md.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${STEAD_CACHE:-$HOME/.cache/stead}
# What goes in is in the folder's name, so that a change makes it anew.
key=$(cat "$here/package.json" "$here/entry.mjs" "$here/bundle.sh" | cksum | cut -d' ' -f1)
folder=$cache/test-library/$key
made=$folder/library.js

if [ ! -e "$made" ]; then
  if ! command -v npm >/dev/null; then
    echo "building Stead needs npm: the library of \`stead test\` (vitest's expect, spies and runner) comes from there" >&2
    exit 1
  fi
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  cp "$here/package.json" "$here/entry.mjs" "$work"
  (cd "$work" && npm install --no-audit --no-fund --loglevel=error >&2)
  # The parameters take the place of the globals: time limits count the machine's time, whatever clock the tests have.
  (cd "$work" && node_modules/.bin/esbuild entry.mjs --bundle --format=iife --global-name=library --platform=neutral \
    --main-fields=module,main --conditions=module --charset=ascii --legal-comments=none --log-level=warning \
    --banner:js='export function createLibrary({ globalThis, setTimeout, clearTimeout, Date, performance, readSnapshots }) {' \
    --footer:js='return library; }' --outfile=library.js)
  # A file of snapshots is read as text: in a worker no code is made of text.
  sed -i 's/new Function("exports", snapshotContents)/readSnapshots(snapshotContents)/' "$work/library.js"
  grep -q 'readSnapshots(snapshotContents)' "$work/library.js"
  mv "$work/library.js" "$made"
fi
echo "$made"
