#!/usr/bin/env python3
"""A Markdown table of where a GPU's time goes, kernel by kernel, from what Nsight Compute measured.

    ncu --csv --page raw --section SpeedOfLight --section ComputeWorkloadAnalysis PROGRAM > profile.csv
    kernel_table.py profile.csv [--least 0.02]

A row is a kernel with one grid, of at least that share of all time; the rest is one row. Percentages
are means over its launches, weighted by time: memory is `dram__throughput`, the tensor cores' pipe the
busiest of those that were measured. Exit code 2 if the file is not what it should be.
"""

import argparse
import csv
import re
import sys
from dataclasses import dataclass

TIME = "gpu__time_duration.sum"
MEMORY = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
# Which of them there are differs among GPUs, by the instructions that they have.
TENSOR = re.compile(r"sm__.*pipe_tensor.*\.avg\.pct_of_peak_sustained_(active|elapsed)$")
TO_MICROSECONDS = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1, "us": 1, "msecond": 1e3, "ms": 1e3}
LONGEST_NAME = 60


class NoProfile(Exception):
    """What is wrong with the file."""


@dataclass
class Launch:
    """One launch; percentages are None where they were not measured."""

    kernel: str
    grid: str
    microseconds: float
    memory: float | None
    tensor: float | None


def number(text):
    return float(text.replace(",", ""))


def percentage_of(text):
    """None where nothing or n/a was measured."""
    return number(text) if text and text[0].isdigit() else None


def short_name(signature):
    """Without return type, namespaces that all share, and parameters."""
    name = re.sub(r"\(anonymous namespace\)::|<unnamed>::|redoubt::", "", signature)
    name = re.sub(r"^void ", "", name)
    depth = 0
    for at, letter in enumerate(name):  # template arguments may hold parentheses
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            name = name[:at]
            break
    return name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME - 1] + "…"


def short_grid(text):
    return text.strip("()").replace(", ", " x ")


def read_launches(lines):
    """The launches of a profile; ncu writes its own lines and the program's before the table."""
    table = list(csv.reader(line for line in lines if line.startswith('"')))
    if len(table) < 3 or TIME not in table[0]:
        raise NoProfile(f"no table with {TIME}: was it made with --csv --page raw?")
    names, units = table[0], table[1]
    unit = units[names.index(TIME)]
    if unit not in TO_MICROSECONDS:
        raise NoProfile(f"{TIME} is in {unit}")
    tensor = [name for name in names if TENSOR.match(name)]
    launches = []
    for row in table[2:]:
        values = dict(zip(names, row))
        pipes = [percentage_of(values[name]) for name in tensor]
        pipes = [pipe for pipe in pipes if pipe is not None]
        launches.append(Launch(
            short_name(values["Kernel Name"]), short_grid(values["Grid Size"]),
            number(values[TIME]) * TO_MICROSECONDS[unit],
            percentage_of(values.get(MEMORY, "")), max(pipes, default=None)))
    return launches


def weighted(launches, percentage):
    known = [(launch.microseconds, percentage(launch)) for launch in launches
             if percentage(launch) is not None]
    if not known:
        return "–"
    return f"{sum(t * p for t, p in known) / sum(t for t, _ in known):.0f} %"


def table_of(launches, least):
    groups = {}
    for launch in launches:
        groups.setdefault((launch.kernel, launch.grid), []).append(launch)
    whole = sum(launch.microseconds for launch in launches)
    lines = [f"{len(launches)} launches, {whole:.0f} µs", "",
             "| kernel | grid | launches | µs | share | memory | tensor pipe |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    small = []
    for (kernel, grid), group in groups.items():
        time = sum(launch.microseconds for launch in group)
        if time < least * whole:
            small += group
            continue
        memory = weighted(group, lambda launch: launch.memory)
        tensor = weighted(group, lambda launch: launch.tensor)
        lines.append(f"| `{kernel}` | {grid} | {len(group)} | {time:.1f} | "
                     f"{100 * time / whole:.0f} % | {memory} | {tensor} |")
    if small:
        time = sum(launch.microseconds for launch in small)
        lines.append(f"| the others | | {len(small)} | {time:.1f} | {100 * time / whole:.0f} % | | |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profile")
    parser.add_argument("--least", type=float, default=0.02, help="smallest share of a row")
    arguments = parser.parse_args()
    try:
        with open(arguments.profile, encoding="utf-8") as stream:
            launches = read_launches(stream)
    except (OSError, NoProfile, ValueError, KeyError, csv.Error) as error:
        print(f"kernel_table.py: {arguments.profile}: {error}", file=sys.stderr)
        return 2
    print("\n".join(table_of(launches, arguments.least)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
