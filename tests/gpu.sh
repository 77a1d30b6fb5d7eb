#!/bin/sh
# All that a machine with a GPU can show: every operation on CUDA against plain loops, one experiment on
# CPU and GPU, compute-sanitizer. Needs a build with the CUDA side, or its programs carried here with the
# libraries they load: kernels_test, redoubt, redoubt_benchmark somewhere under BUILD.
#
#   tests/gpu.sh BUILD [REPORT.md]
#
# Writes a dated report, by default docs/gpu/<date>-<device>.md, and exits with 1 if anything failed, with
# 77 if there is no GPU.
set -u

build=${1:?usage: tests/gpu.sh BUILD [REPORT.md]}
top=$(cd "$(dirname "$0")/.." && pwd)
find_program() { find "$build" -type f -name "$1" -perm -u+x | head -n 1; }

if ! device=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1) ||
   [ -z "$device" ]; then
  echo "tests/gpu.sh: skipped: nvidia-smi finds no GPU"
  exit 77
fi
short=$(echo "${device%%,*}" | tr 'A-Z ' 'a-z-')
report=${2:-$top/docs/gpu/$(date +%Y-%m-%d)-$short.md}
mkdir -p "$(dirname "$report")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

say() { echo "$*" | tee -a "$report"; }
# check NAME COMMAND...: runs it and notes the outcome with its last lines.
check() {
  name=$1
  shift
  if "$@" > "$work/log" 2>&1; then outcome=passed; else outcome="FAILED ($?)"; failed=1; fi
  say "- $name: $outcome"
  say '  ```'
  tail -n "${lines:-3}" "$work/log" | sed 's/^/  /' | tee -a "$report"
  say '  ```'
}

: > "$report"
say "# $device"
say ""
say "$(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git -C "$top" rev-parse --short HEAD 2>/dev/null || echo unknown)"
say ""
say "## Operations"
kernels=$(find_program kernels_test)
check "against plain loops in double" "$kernels" '--gtest_filter=*cuda*'
check "engines of convolution at each precision, against the CPU" "$(find_program cuda_engines_test)"
if command -v compute-sanitizer > /dev/null; then
  check "memcheck" compute-sanitizer --tool memcheck --error-exitcode 9 "$kernels" '--gtest_filter=*cuda*'
  check "racecheck" compute-sanitizer --tool racecheck --error-exitcode 9 "$kernels" \
    '--gtest_filter=*Operation*cuda*-*GivesTheSameBits*'
else
  say "- compute-sanitizer is not there: memcheck and racecheck were not run"
fi

say ""
say "## One experiment on both devices"
redoubt=$(find_program redoubt)
lines=12 check "CPU and CUDA agree" python3 "$top/tests/gpu_agrees.py" "$redoubt" "$top/experiments/quickstart.yaml" \
  "$work/runs"

say ""
say "## Speed"
benchmark=$(find_program redoubt_benchmark)
if [ -n "$benchmark" ]; then
  lines=200 check "benchmark on the CPU of this machine" "$benchmark" '--benchmark_filter=^(machine|step|round)'
fi
say "The benchmark measures the CPU; its CUDA side is still to be written."
echo "report: $report"
exit $failed
