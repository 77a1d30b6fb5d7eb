#!/usr/bin/env python3
"""Runs redoubt_benchmark and its PyTorch peer in turns and prints the table of docs/performance.md.

    compare.py --program build/tests/benchmark/redoubt_benchmark [--python PATH] [--repeats 5]

--python picks the interpreter, and with it the PyTorch, of the peer. Steps run on one core, the
same for both; rounds and evaluations on all cores, PyTorch at its best number of threads.
Exit code 77 if that interpreter has no torch.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("peers") / "pytorch_step.py"
MACHINE = ("machine/fma", "machine/copy")
SMOKE_WORKS = ("step/wu-mnist-small/64", "round/wu-mnist/64", "evaluate/wu-mnist/64")
SKIPPED = 77


class Row:
    """What was measured of one work."""

    def __init__(self):
        self.ours = []
        self.flops = []  # FLOP/s
        self.theirs = collections.defaultdict(list)  # by variant

    def seconds(self):
        return statistics.median(self.ours)

    def best_peer(self):
        """PyTorch's fastest variant and its seconds."""
        medians = {variant: statistics.median(times) for variant, times in self.theirs.items()}
        return min(medians.items(), key=lambda item: item[1])


def one_core():
    """Keeps a child on the last of the cores it may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def is_step(work):
    return work.startswith("step/")


def list_works(program):
    """Every step, and every round and evaluation without its number of threads."""
    lines = subprocess.run([program, "--benchmark_list_tests"], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    works = []
    for line in lines:
        parts = line.split("/")
        if parts[0] in ("step", "round", "evaluate") and "/".join(parts[:3]) not in works:
            works.append("/".join(parts[:3]))
    return works


def run_redoubt(program, names, seconds, pinned):
    """The program's JSON for exactly these benchmarks."""
    pattern = "^(" + "|".join(names) + ")/real_time$"
    command = [program, f"--benchmark_filter={pattern}", "--benchmark_format=json",
               f"--benchmark_min_time={seconds}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True,
                            preexec_fn=one_core if pinned else None).stdout
    found = json.loads(output)
    if len(found["benchmarks"]) != len(names):
        sys.exit(f"compare.py: {program} has not all of {', '.join(names)}")
    return found


def run_peer(arguments, work, threads, pinned):
    """The peer's JSON."""
    command = [arguments.python, "-B", str(PEER), work, "--threads", ",".join(map(str, threads)),
               "--seconds", str(arguments.seconds)]
    if arguments.smoke:
        command += ["--images", "320"]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=one_core if pinned else None)
    if done.returncode == SKIPPED:
        print(done.stderr, end="")
        sys.exit(SKIPPED)
    if done.returncode != 0:
        sys.exit(f"compare.py: the peer failed:\n{done.stderr}")
    return json.loads(done.stdout)


def in_seconds(benchmark):
    return benchmark["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[
        benchmark["time_unit"]]


def measure(arguments, works, cores):
    """Rows by work, FMA peaks, copy rates, and what both sides say of themselves."""
    rows = {work: Row() for work in works}
    peaks, copies = [], []
    about = {}
    for repeat in range(arguments.repeats):
        machine = run_redoubt(arguments.program, MACHINE, arguments.seconds, pinned=True)
        peaks.append(machine["benchmarks"][0]["FLOP/s"])
        copies.append(machine["benchmarks"][1]["B/s"])
        for work in works:
            pinned = is_step(work)
            name = work if pinned else f"{work}/{cores}"
            print(f"{repeat + 1}/{arguments.repeats} {work}", file=sys.stderr)
            ours = run_redoubt(arguments.program, [name], arguments.seconds, pinned)
            rows[work].ours.append(in_seconds(ours["benchmarks"][0]))
            rows[work].flops.append(ours["benchmarks"][0]["FLOP/s"])
            threads = [1] if pinned or arguments.smoke else sorted({1, cores})
            theirs = run_peer(arguments, work, threads, pinned)
            for variant, seconds in theirs["works"][work].items():
                rows[work].theirs[variant].append(seconds)
            about = {"redoubt": ours["context"], "torch": theirs}
    return rows, statistics.median(peaks), statistics.median(copies), about


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def title(work):
    kind, preset, batch = work.split("/")
    return {"step": f"training step, `{preset}`, batch {batch}, one core",
            "round": f"round of 10 clients of 600 images, `{preset}`, batch {batch}, all cores",
            "evaluate": f"evaluation of 6,000 images, `{preset}`, all cores"}[kind]


def table(rows, peak, cores):
    lines = ["| work | redoubt | PyTorch | ratio | share of FMA peak | PyTorch's best variant |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]
    for work, row in rows.items():
        variant, theirs = row.best_peer()
        used = 1 if is_step(work) else cores
        share = statistics.median(row.flops) / (peak * used)
        lines.append(f"| {title(work)} | {1e3 * row.seconds():.2f} ms | {1e3 * theirs:.2f} ms | "
                     f"{theirs / row.seconds():.1f} | {100 * share:.0f} % | {variant} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="path of redoubt_benchmark")
    parser.add_argument("--python", default=sys.executable,
                        help="interpreter that has the PyTorch to compare with; this one")
    parser.add_argument("--repeats", type=int, default=5, help="turns; medians are printed")
    parser.add_argument("--seconds", type=float, default=1.0, help="at least, for each measurement")
    parser.add_argument("--works", nargs="+", metavar="WORK", help="e.g. step/wu-mnist/64; all")
    parser.add_argument("--smoke", action="store_true",
                        help="only see that it runs; the numbers mean nothing")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.repeats, arguments.seconds, arguments.works = 1, 0.001, SMOKE_WORKS
    cores = len(os.sched_getaffinity(0))
    known = list_works(arguments.program)
    works = arguments.works or known
    for work in works:
        if work not in known:
            parser.error(f"unknown work {work}; there are {', '.join(known)}")

    rows, peak, copy, about = measure(arguments, works, cores)
    ours, theirs = about["redoubt"], about["torch"]
    sys.stderr.flush()
    print(f"{datetime.date.today()}, {cpu_model()}, {cores} cores. "
          f"redoubt: {ours['compiler']}, oneDNN {ours['onednn']}, {ours['tiles']}. "
          f"PyTorch {theirs['torch']} with {theirs['blas']}. "
          f"Medians of {arguments.repeats} turns.")
    print(f"One core's measured FMA peak is {peak / 1e9:.0f} GFLOP/s; "
          f"it copies {copy / 1e9:.1f} GB/s (bytes read and written).")
    print()
    print("\n".join(table(rows, peak, cores)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
