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
# Where the time goes, by a profiler that has seen two kernels, and by one that is refused.
cat > "$work/bin/ncu" <<'PROFILE'
#!/bin/sh
cat <<'CSV'
==PROF== Connected to process 648 (redoubt)
stage             accuracy   attack success
"ID","Kernel Name","Grid Size","gpu__time_duration.sum"
"","","","ns"
"0","void redoubt::<unnamed>::gather_images<4>(redoubt::ImageSource)","(24, 2, 10)","8,928"
"1","redoubt::<unnamed>::count_labels(int)","(10, 1, 1)","72"
CSV
PROFILE
chmod +x "$work/bin/ncu"
touch "$work/build/redoubt"
chmod +x "$work/build/redoubt"
PATH="$work/bin:$PATH" REDOUBT_GPU_PARTS="profile" "$here/gpu.sh" "$work/build" "$work/report.md"
expect '^### pfl-cifar$'
expect '^| `gather_images<4>` | 24 x 2 x 10 | 1 | 8.9 | 99 % |'
expect '^| the others | | 1 | 0.1 | 1 % |'
for error in "ERR_NVGPUCTRPERM 0" "ERR_OTHER 1"; do
  printf '#!/bin/sh\necho "==ERROR== %s"\nexit 1\n' "${error% *}" > "$work/bin/ncu"
  status=0
  PATH="$work/bin:$PATH" REDOUBT_GPU_PARTS="profile" "$here/gpu.sh" "$work/build" "$work/report.md" || status=$?
  [ $status = "${error#* }" ]
  expect "${error% *}"
done
# Where no GPU is found, everything is skipped.
printf '#!/bin/sh\nexit 9\n' > "$work/bin/nvidia-smi"
status=0
PATH="$work/bin:$PATH" "$here/gpu.sh" "$work/build" "$work/none.md" || status=$?
[ $status = 77 ]
[ ! -e "$work/none.md" ]
