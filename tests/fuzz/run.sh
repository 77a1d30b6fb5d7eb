#!/usr/bin/env bash
# Builds the fuzzers with Clang, AddressSanitizer and UndefinedBehaviorSanitizer, and lets each run for
# SECONDS (60). What it finds stays in build/fuzz/found. Debian: clang libclang-rt-14-dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
targets=(experiment_file safetensors checkpoint images run_folder)
cmake --preset fuzz --log-level=WARNING
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}"
python3 tests/fuzz/seeds.py build/fuzz/seeds
mkdir -p build/fuzz/found
failed=0
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  build/fuzz/tests/fuzz/fuzz_$target -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
    -dict="build/fuzz/seeds/$target.dict" -artifact_prefix="build/fuzz/found/$target-" \
    -print_final_stats=1 "build/fuzz/corpus/$target" "build/fuzz/seeds/$target" \
    >"build/fuzz/$target.log" 2>&1 || failed=1
  echo "$target: $(grep -E 'number_of_executed_units|ERROR|SUMMARY' "build/fuzz/$target.log" | tr '\n' ' ')"
done
exit $failed
