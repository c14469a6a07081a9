#!/bin/bash
# Installs the Debian packages that building, testing and checking need. Safe to repeat; does nothing, and quickly, when
# all of them are there. Needs root only when something is missing.
set -euo pipefail

packages=(
  # The build: addon and launcher (with the static C library that libc6-dev brings), node-gyp's make and python3.
  g++ make python3
  # The C++ unit tests, and their sanitizers and fuzz targets.
  cmake clang-19 libclang-rt-19-dev
  # npm run check: formatting and lint of C++ and of scripts, nm for the symbols of the child.
  clang-format-19 clang-tidy-19 shellcheck binutils
  # Tests: an unprivileged caller (setpriv), process listings (ps), capabilities of files, a file system to freeze.
  util-linux procps libcap2-bin e2fsprogs
  # Tests of cloister/archive: archives as other programs make and unpack them.
  unzip zip libarchive-tools zstd xz-utils bzip2
  # Tests of images: a root file system in one file, and a tree of Debian.
  busybox-static debootstrap
  # Benchmarks compare with it.
  bubblewrap
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  if [[ $status != ii* ]]; then
    missing+=("$package")
  fi
done

if ((${#missing[@]} == 0)); then
  exit 0
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install --yes --no-install-recommends -qq "${missing[@]}"
