#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, and runs all tests. Arguments
# are passed on to ctest, e.g. ./test.sh -R Partition
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scripts/setup.sh build test report optional optional-test

cmake -G Ninja -B build/test -DREDOUBT_WERROR=ON --log-level=WARNING
cmake --build build/test
exec ctest --test-dir build/test -j 2 --output-on-failure "$@"
