#!/bin/sh
# Puts the V8 library of this folder where the `v8` crate's build script looks before it downloads. Running it again
# changes nothing; see README.md.
set -eu

version=150.4.0
target=x86_64-unknown-linux-gnu
archive=librusty_v8-$version-$target.a.xz

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# The download's URL, with every character but letters and digits turned into `_`.
url=https://github.com/denoland/rusty_v8/releases/download/v$version/librusty_v8_simdutf_release_$target.a.gz
installed=$cargo_home/.rusty_v8/$(printf %s "$url" | tr -c 'A-Za-z0-9' _)

if [ -n "${RUSTY_V8_ARCHIVE:-}${RUSTY_V8_MIRROR:-}${V8_FROM_SOURCE:-}" ] || [ -e "$installed" ]; then
  exit 0
fi
if ! rustc -vV | grep -qx "host: $target"; then
  exit 0 # this platform's library comes from the usual download
fi
locked=$(sed -n '/^name = "v8"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$here/../../Cargo.lock")
if [ "$locked" != "$version" ]; then
  echo "vendor/v8 holds V8 $version, but Cargo.lock asks for $locked: cargo will download it" >&2
  exit 0
fi

(cd "$here" && sha256sum --quiet --check SHA256SUMS) || {
  echo "vendor/v8/$archive is damaged: restore it with \`git checkout vendor/v8\`" >&2
  exit 1
}

mkdir -p "$cargo_home/.rusty_v8"
unpacked=$installed.$$.tmp
trap 'rm -f "$unpacked"' EXIT
trap 'exit 1' HUP INT TERM
if command -v xz >/dev/null; then
  xz -dc "$here/$archive" >"$unpacked"
elif command -v python3 >/dev/null; then
  python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer, 1 << 20)' \
    "$here/$archive" >"$unpacked"
else
  echo "unpacking vendor/v8/$archive needs xz or python3" >&2
  exit 1
fi
mv "$unpacked" "$installed"
echo "V8 $version is in place for cargo: $cargo_home/.rusty_v8"
