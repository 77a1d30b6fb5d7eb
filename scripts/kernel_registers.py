#!/usr/bin/env python3
"""Registers, shared memory and spills of every CUDA kernel, as ptxas says: compiles the .cu files of kernels/ for the
architectures below and prints docs/gpu/registers.md. Needs nvcc and, for its engine, cuDNN's header.

    scripts/kernel_registers.py [--jobs 2] > docs/gpu/registers.md
"""

import argparse
import concurrent.futures
import datetime
import pathlib
import re
import shutil
import subprocess
import sys

ARCHITECTURES = ("80", "90")
TOP = pathlib.Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def compile_file(nvcc, file):
    """What ptxas says of a file's kernels: {mangled name: {architecture: (registers, shared bytes, spilt
    bytes)}}."""
    command = [nvcc, "-std=c++20", "-O3", "--expt-relaxed-constexpr", f"-I{TOP}",
               "-DREDOUBT_WITH_CUDA=1", "-DREDOUBT_WITH_CUDNN=1", "-Xptxas=-v", "-cubin"]
    kernels = {}
    for architecture in ARCHITECTURES:
        done = subprocess.run([*command, f"-arch=sm_{architecture}", "-o", "/dev/null", str(file)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{file.name}: {done.stderr[-2000:]}")
        name, spilt = None, 0
        for line in done.stderr.splitlines():
            if match := ENTRY.search(line):
                name = match[1]
            elif match := SPILLS.search(line):
                spilt = max(int(match[1]), int(match[2]))
            elif (match := USED.search(line)) and name:
                shared = SHARED.search(line)
                kernels.setdefault(name, {})[architecture] = (
                    int(match[1]), int(shared[1]) if shared else 0, spilt)
                name, spilt = None, 0
    return kernels


def readable(names):
    """Kernel names without namespaces, types and arguments: step_by_sgd<4, true>."""
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True,
                          check=True)
    found = {}
    for mangled, name in zip(names, done.stdout.splitlines()):
        name = name.replace("(anonymous namespace)", "").replace("redoubt::kernels::", "")
        name = re.sub(r"\((?:int|bool)\)", "", name)
        name = name.split("(", 1)[0].removeprefix("void ")
        name = re.sub(r"\b(?:\w*::)+", "", name)
        found[mangled] = name.replace("::", "")
    return found


def text(kernels_of_files, version):
    lines = ["# Registers, shared memory and spills", "",
             f"What ptxas (CUDA {version}) says of each kernel, {datetime.date.today():%d %B %Y}, by "
             "`scripts/kernel_registers.py > docs/gpu/registers.md`.",
             "It compiles and measures nothing. The numbers after a kernel's name are its "
             "template's: the width of its",
             "packs in floats, for the convolutions after the arithmetic and the channels of a tile. "
             "Dynamic shared memory is not counted.", ""]
    head = ["kernel", *(f"registers sm_{a}" for a in ARCHITECTURES), "shared bytes", "bytes spilt"]
    rows, spilling = [], []
    for file, kernels in kernels_of_files:
        names = readable(list(kernels))
        for mangled, found in sorted(kernels.items(), key=lambda item: names[item[0]]):
            registers = [str(found[a][0]) if a in found else "-" for a in ARCHITECTURES]
            spilt = max(one[2] for one in found.values())
            if spilt:
                spilling.append(f"`{names[mangled]}` ({spilt} bytes)")
            rows.append([f"{file.relative_to(TOP / 'kernels')}: `{names[mangled]}`", *registers,
                         str(max(one[1] for one in found.values())), str(spilt)])
    lines += [f"{len(rows)} kernels; " + ("none spills." if not spilling else
                                          f"{len(spilling)} spill: {', '.join(spilling)}."), "",
              "| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    release = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"release ([\d.]+)", release)[1]
    files = sorted((TOP / "kernels").rglob("*.cu"))
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        found = list(pool.map(lambda file: compile_file(nvcc, file), files))
    print(text([pair for pair in zip(files, found) if pair[1]], version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
