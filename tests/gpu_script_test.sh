#!/bin/sh
# gpu.sh on an emulated GPU: gpu_script_test.sh BENCHMARK, which is redoubt_benchmark_emulated. Only that
# it measures and writes its report; the figures mean nothing.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/build"
printf '#!/bin/sh\necho "Emulated GPU, 0.0"\n' > "$work/bin/nvidia-smi"
chmod +x "$work/bin/nvidia-smi"
cp "$1" "$work/build/redoubt_benchmark"
here=$(cd "$(dirname "$0")" && pwd)
status=0
PATH="$work/bin:$PATH" REDOUBT_GPU_PARTS="speed" REDOUBT_GPU_SMOKE=1 REDOUBT_GPU_REPEATS=2 \
  "$here/gpu.sh" "$work/build" "$work/report.md" > "$work/log" || status=$?
cat "$work/log"
[ $status = 0 ]
expect() { grep -q -- "$1" "$work/report.md" || { echo "the report lacks: $1"; exit 1; }; }
expect '^# Emulated GPU, 0.0$'
expect 'redoubt_benchmark: passed'
expect '^| longest host time of a step | under 20 µs | [0-9]'
expect '^| slowest implicit GEMM in TF32, of cuBLAS. | 60 % | [0-9]'
expect '^| `relu_backward/large` | [0-9]'
expect 'Fewer than 5 repeats'
if grep -q 'Failed:' "$work/report.md"; then exit 1; fi
# Where no GPU is found, everything is skipped.
printf '#!/bin/sh\nexit 9\n' > "$work/bin/nvidia-smi"
status=0
PATH="$work/bin:$PATH" "$here/gpu.sh" "$work/build" "$work/none.md" || status=$?
[ $status = 77 ]
[ ! -e "$work/none.md" ]
