#!/bin/sh
# All that a machine with a GPU can show: every operation on CUDA against plain loops, one experiment on
# CPU and GPU, compute-sanitizer, and how fast everything is beside PyTorch, with each bar of
# docs/performance.md and what was reached.
#
#   tests/gpu.sh BUILD [REPORT.md]
#
# Writes a dated report, by default docs/gpu/<date>-<device>.md, and exits with 1 if anything failed (a
# bar that is not met is no failure), with 77 if there is no GPU. The environment may say
#   REDOUBT_GPU_PARTS   which parts, of: operations sanitizer experiment speed peers profile studies; all
#                       but the last. profile: where three networks' time goes, by Nsight Compute. studies:
#                       the experiments that are too large for a CPU, one seed each (REDOUBT_DATA has
#                       CIFAR-10; some minutes); what they write stays in $REDOUBT_GPU_RUNS, or ./runs
#   REDOUBT_GPU_LAUNCHES how many kernels of a round are profiled; 120
#   REDOUBT_GPU_REPEATS how often everything is measured; 5, of which medians are shown
#   REDOUBT_GPU_PYTHON  the interpreter that has the PyTorch to compare with; python3
#   REDOUBT_GPU_PEERS   which works PyTorch does, e.g. round/pfl-cifar/10; all
#   REDOUBT_GPU_SMOKE   1: sizes at which the figures mean nothing, only to see that the script runs
# On an H100 operations take half a minute, sanitizer and experiment one, speed five, and peers as long as
# PyTorch's slowest loops; the parts may be run one by one.
#
# BUILD is a build with the CUDA side, or a folder with its programs. Where only the driver, CUDA's
# libraries (cuBLAS; cuDNN if the build has it) and Python are installed, carry this repository's files
# and such a folder, which tests/gpu_carry.sh makes. What is in BUILD/lib is found first.
set -u

build=${1:?usage: tests/gpu.sh BUILD [REPORT.md]}
top=$(cd "$(dirname "$0")/.." && pwd)
parts=${REDOUBT_GPU_PARTS:-operations sanitizer experiment speed peers profile}
repeats=${REDOUBT_GPU_REPEATS:-5}
python=${REDOUBT_GPU_PYTHON:-python3}
smoke=${REDOUBT_GPU_SMOKE:-0}
if [ -d "$build/lib" ]; then
  LD_LIBRARY_PATH=$(cd "$build/lib" && pwd)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
find_program() { find "$build" -type f -name "$1" -perm -u+x | head -n 1; }
wanted() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

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

# sharded COMMAND...: a program of GoogleTest in eight processes, each with a part of its tests.
sharded() {
  for shard in 0 1 2 3 4 5 6 7; do
    { GTEST_TOTAL_SHARDS=8 GTEST_SHARD_INDEX=$shard "$@" > "$work/shard$shard" 2>&1
      echo "exit code $?" >> "$work/shard$shard"; } &
  done
  wait
  grep -hE 'FAILED|SUMMARY|exit code' "$work"/shard? | sort | uniq -c
  ! grep -qE 'exit code [1-9]' "$work"/shard?
}

: > "$report"
say "# $device"
say ""
say "$(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git -C "$top" rev-parse --short HEAD 2>/dev/null || echo unknown), parts: $parts"
kernels=$(find_program kernels_test)
redoubt=$(find_program redoubt)
if wanted operations; then
  say ""
  say "## Operations"
  check "against plain loops in double" "$kernels" '--gtest_filter=*cuda*'
  check "engines of convolution at each precision, against the CPU" "$(find_program cuda_engines_test)"
  check "a fleet trained at once, alone, and on the CPU" "$(find_program cuda_fleet_test)"
  check "a short experiment on both devices" "$(find_program cuda_federation_test)"
fi
if wanted sanitizer; then
  say ""
  say "## compute-sanitizer"
  if command -v compute-sanitizer > /dev/null; then
    engines=$(find_program cuda_engines_test)
    sanitize() { sharded compute-sanitizer --tool "$1" --error-exitcode 9 "$2" "--gtest_filter=$3"; }
    check "memcheck of operations" sanitize memcheck "$kernels" '*cuda*'
    check "memcheck of engines and of what takes several blocks" sanitize memcheck "$engines" '*'
    check "racecheck of operations" sanitize racecheck "$kernels" '*Operation*cuda*-*GivesTheSameBits*'
    check "racecheck of engines and of what takes several blocks" sanitize racecheck "$engines" '*'
  else
    say "- it is not there: memcheck and racecheck were not run"
  fi
fi
if wanted experiment; then
  say ""
  say "## One experiment on both devices"
  lines=12 check "CPU and CUDA agree" "$python" "$top/tests/gpu_agrees.py" "$redoubt" "$top/experiments/quickstart.yaml" \
    "$work/runs"
fi

# profile NAME FILE OPTIONS...: the kernels of the first steps of a round.
profile() {
  name=$1
  file=$2
  shift 2
  say ""
  say "### $name"
  say ""
  : > "$work/table"
  if ncu --profile-from-start off --graph-profiling node --launch-count "${REDOUBT_GPU_LAUNCHES:-120}" \
       --section SpeedOfLight --section ComputeWorkloadAnalysis --csv --page raw \
       "$redoubt" run "$top/$file" --device cuda --quiet --profile-round 2 --name "$name" \
       --output "$work/profile" --set federation.rounds=2 --set attack=null --set 'defense={}' \
       --set data.validation_samples=0 --set data.partition=iid --set data.directory=null "$@" \
       > "$work/$name.csv" 2>&1 &&
     "$python" -B "$top/tests/benchmark/kernel_table.py" "$work/$name.csv" > "$work/table" 2>&1; then
    tee -a "$report" < "$work/table"
  elif grep -q ERR_NVGPUCTRPERM "$work/$name.csv"; then
    say "- not profiled: the driver keeps counters for administrators (ERR_NVGPUCTRPERM)"
  else
    failed=1
    say "FAILED:"
    tail -n 3 "$work/$name.csv" "$work/table" | sed 's/^/    /' | tee -a "$report"
  fi
}
if wanted profile; then
  say ""
  say "## Where the time goes"
  if command -v ncu > /dev/null; then
    profile wu-mnist experiments/quickstart.yaml --set data.dataset=synthetic-gray --set model=wu-mnist \
      --set federation.local.batch=64 --set federation.local.epochs=1
    profile pfl-cifar experiments/benchmark/pfl-cifar10.yaml --set data.dataset=synthetic-color \
      --set federation.clients=200
    profile resnet18 experiments/quickstart.yaml --set data.dataset=synthetic-color --set model=resnet18 \
      --set federation.local.batch=64 --set federation.local.epochs=1
  else
    say "- ncu is not there: nothing was profiled"
  fi
fi
runs=${REDOUBT_GPU_RUNS:-runs}
# study FILE OPTIONS...: a sweep's points of one seed.
study() {
  file=$1
  shift
  "$redoubt" sweep "$top/experiments/$file" --device cuda --only seed=1 --output "$runs" "$@"
}
if wanted studies; then
  say ""
  say "## Studies"
  lines=12 check "a distributed backdoor on CIFAR-10" study wu2020/cifar10-dba.yaml --jobs 1
  lines=3 check "ARIBA's first model of CIFAR-10" study ariba/cifar10-pretrain.yaml
  lines=12 check "ARIBA on CIFAR-10" study ariba/cifar10.yaml --jobs 3 \
    --set "model.initial=$runs/ariba-cifar10-pretrain/seed=1/model.safetensors"
fi

# What is measured goes into $work/table-arguments, for the table.
: > "$work/table-arguments"
measure_ours() {
  set -- "$(find_program redoubt_benchmark)" '--benchmark_filter=^cuda/(machine|[a-z_]+/(large|3x3)|step|round|evaluate)' \
    "--benchmark_repetitions=$repeats" --benchmark_min_time=0.05 --benchmark_format=json
  if [ "$smoke" = 1 ]; then
    set -- "$1" --smoke '--benchmark_filter=^cuda/(machine|relu_[a-z]+/large|[a-z_]+/3x3x64|step/wu-mnist/|round/wu-mnist)' "$3" \
      --benchmark_min_time=0.0001 "$5"
  fi
  "$@" > "$work/ours.json"
}
# With the CIFAR-10 images if they are there, else with random ones: speed does not depend on what they show.
measure_run() {
  images=${REDOUBT_DATA:-/nowhere}/cifar10
  if [ ! -d "$images" ]; then
    images=$work/cifar10
    mkdir -p "$images"
    "$python" -c '
import os, sys
for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
    with open(f"{sys.argv[1]}/{name}.bin", "wb") as file:
        for image in range(10000):
            file.write(bytes([image % 10]) + os.urandom(3072))' "$images" || return 1
  fi
  "$redoubt" run "$top/experiments/benchmark/pfl-cifar10.yaml" --device cuda --quiet --output "$work/pfl" \
    --set "data.directory=$images" || return 1
  seconds=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["seconds"])' \
    "$work/pfl/pfl-cifar10/summary.json") && echo "$seconds s" && echo "--run-seconds $seconds" >> "$work/table-arguments"
}
measure_peers() {
  # The works are words without spaces.
  # shellcheck disable=SC2086
  set -- "$python" -B "$top/tests/benchmark/peers/pytorch_fleet.py" --repeats "$repeats" ${REDOUBT_GPU_PEERS:-}
  [ "$smoke" = 1 ] && set -- "$@" --device cpu --smoke
  "$@" > "$work/peers.json"
  outcome=$?
  # Each line has all that is known so far: what was measured before a failure counts.
  [ -s "$work/peers.json" ] && echo "--peers $work/peers.json" >> "$work/table-arguments"
  [ "$outcome" = 0 ] || [ "$outcome" = 77 ]
}
if wanted speed || wanted peers; then
  say ""
  say "## Speed"
  say ""
  wanted speed && check "redoubt_benchmark" measure_ours
  wanted speed && [ "$smoke" = 0 ] && check "the CIFAR-10 workload of pfl-research's benchmark" measure_run
  wanted peers && check "PyTorch" measure_peers
  [ -f "$work/ours.json" ] || echo '{"benchmarks": []}' > "$work/ours.json"
  say ""
  # The arguments are words without spaces.
  # shellcheck disable=SC2046
  if ! "$python" -B "$top/tests/benchmark/gpu_table.py" "$work/ours.json" $(cat "$work/table-arguments") \
       > "$work/table" 2>&1; then
    failed=1
  fi
  tee -a "$report" < "$work/table"
fi
echo "report: $report"
exit $failed
