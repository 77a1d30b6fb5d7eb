#!/usr/bin/env python3
"""Markdown tables of what redoubt_benchmark and its peers measured on a GPU, each bar beside them.

    redoubt_benchmark --benchmark_filter=^cuda/ --benchmark_repetitions=5 --benchmark_format=json > ours.json
    peers/pytorch_fleet.py > peers.json
    gpu_table.py ours.json [--peers peers.json] [--run-seconds S]

--run-seconds: what `redoubt run experiments/benchmark/pfl-cifar10.yaml` took in all. Whatever was not
measured is called so. Exit code 2 if a file is not what it should be.
"""

import argparse
import json
import statistics
import sys

# The bars, for an H200.
EAGER_RATIO = 20
BEST_PEER_RATIO = 3
STACK_RATIO = 1.2
PFL_SECONDS = 15
PFL_ROUNDS, PFL_EVALUATIONS = 1500, 150
COPY_SHARE = 0.8
CUBLAS_SHARE = 0.6
HOST_SECONDS = 20e-6
LEAST_REPEATS = 5

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
COPY = "machine/copy"
NOT_MEASURED = "not measured"


class Measured:
    """One benchmark's repetitions."""

    def __init__(self):
        self.seconds = []
        self.counters = {}

    def add(self, entry):
        self.seconds.append(entry["real_time"] * UNITS[entry["time_unit"]])
        for key in ("B/s", "FLOP/s", "images/s", "host s"):
            if key in entry:
                self.counters.setdefault(key, []).append(entry[key])

    def median(self, counter=None):
        return statistics.median(self.counters[counter] if counter else self.seconds)


def read_ours(document):
    """Measured by name, without the prefix cuda/ and the kind of time; and what failed."""
    found, failed = {}, {}
    for entry in document["benchmarks"]:
        if entry.get("run_type") == "aggregate":
            continue
        name = entry["name"]
        for end in ("/manual_time", "/real_time"):
            name = name.split(end)[0]
        if not name.startswith("cuda/"):
            continue
        name = name[len("cuda/"):]
        if entry.get("error_occurred"):
            failed[name] = entry.get("error_message", "failed")
            continue
        found.setdefault(name, Measured()).add(entry)
    return found, failed


def in_seconds(seconds):
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def with_spread(values):
    return f"{in_seconds(statistics.median(values))} ({in_seconds(min(values))} to {in_seconds(max(values))})"


class Bars:
    """Rows: what, the bar, what was found, and whether that meets it."""

    def __init__(self):
        self.rows = []

    def add(self, what, bar, found, text, met):
        verdict = NOT_MEASURED if found is None else ("met" if met(found) else "**not met**")
        self.rows.append((what, bar, NOT_MEASURED if found is None else text(found), verdict))

    def at_least(self, what, bar, found, unit="times"):
        self.add(what, f"{bar:g} {unit}", found, lambda x: f"{x:.2f} {unit}", lambda x: x >= bar)

    def share(self, what, bar, found):
        self.add(what, f"{100 * bar:.0f} %", found, lambda x: f"{100 * x:.0f} %", lambda x: x >= bar)

    def below(self, what, bar, found):
        self.add(what, f"under {in_seconds(bar)}", found, in_seconds, lambda x: x < bar)

    def lines(self):
        return ["| work | bar | found | |", "| --- | ---: | ---: | --- |",
                *(f"| {what} | {bar} | {found} | {verdict} |"
                  for what, bar, found, verdict in self.rows)]


def medians_of(peers, work):
    return {variant: statistics.median(times)
            for variant, times in peers.get("works", {}).get(work, {}).items()}


def eager_of(peers, work):
    """The eager loop in its better memory layout."""
    times = [seconds for variant, seconds in medians_of(peers, work).items()
             if variant.startswith("eager")]
    return min(times, default=None)


def best_of(peers, work):
    return min(medians_of(peers, work).values(), default=None)


def seconds_of(ours, work):
    return ours[work].median() if work in ours else None


def ratio(theirs, mine):
    return None if theirs is None or mine is None else theirs / mine


def whole_run(of_round, of_evaluation):
    if of_round is None or of_evaluation is None:
        return None
    return PFL_ROUNDS * of_round + PFL_EVALUATIONS * of_evaluation


def add_round_bars(bars, ours, peers, run_seconds):
    work = "round/wu-mnist/64"
    mine = seconds_of(ours, work)
    bars.at_least(f"`{work}` against the eager loop", EAGER_RATIO, ratio(eager_of(peers, work), mine))
    bars.at_least(f"`{work}` against the best peer", BEST_PEER_RATIO,
                  ratio(best_of(peers, work), mine))
    parts = ("round/pfl-cifar/10", "evaluate/pfl-cifar/10")
    mine = whole_run(*(seconds_of(ours, part) for part in parts))
    bars.below("pfl-research's CIFAR-10: 1,500 rounds and 150 evaluations, from one of each",
               PFL_SECONDS, mine)
    bars.below("the same as `redoubt run`, loading and all", PFL_SECONDS, run_seconds)
    bars.at_least("the same against the eager loop", EAGER_RATIO,
                  ratio(whole_run(*(eager_of(peers, part) for part in parts)), mine))
    work = "round/conv-stack/64"
    bars.at_least(f"`{work}`, 50 clients, against the best peer", STACK_RATIO,
                  ratio(best_of(peers, work), seconds_of(ours, work)))


def large_shares(ours):
    """Each memory-bound operation's rate as a share of the copy's."""
    if COPY not in ours:
        return {}
    copy = ours[COPY].median("B/s")
    return {name: one.median("B/s") / copy for name, one in ours.items() if name.endswith("/large")}


def implicit_shares(ours, precision="tf32"):
    """Our implicit GEMM's rate as a share of cuBLAS' for the same product."""
    shares = {}
    for name, one in ours.items():
        if not name.endswith(f"/implicit/{precision}"):
            continue
        product = name.replace("/implicit/", "/cublas-product/")
        if product in ours:
            shares[name] = one.median("FLOP/s") / ours[product].median("FLOP/s")
    return shares


def host_seconds(ours):
    return {name: one.median("host s") for name, one in ours.items() if name.startswith("step/")}


def least(values):
    return min(values.values(), default=None)


def add_kernel_bars(bars, ours):
    for what, shares, bar in (("slowest memory-bound kernel of 256 MB, of the copy rate",
                               large_shares(ours), COPY_SHARE),
                              ("slowest implicit GEMM in TF32, of cuBLAS'", implicit_shares(ours),
                               CUBLAS_SHARE)):
        bars.share(what, bar, least(shares))
        if shares:
            met = sum(share >= bar for share in shares.values())
            bars.rows.append(("", "", f"{met} of {len(shares)} meet it", ""))
    bars.below("longest host time of a step", HOST_SECONDS,
               max(host_seconds(ours).values(), default=None))


def rounds_table(ours, peers):
    lines = ["| work | who | median (least to greatest) | times redoubt's |",
             "| --- | --- | ---: | ---: |"]
    for work in sorted({name for name in ours if name.startswith(("round/", "evaluate/"))}
                       | set(peers.get("works", {}))):
        mine = seconds_of(ours, work)
        if mine is not None:
            lines.append(f"| `{work}` | redoubt | {with_spread(ours[work].seconds)} | 1 |")
        for variant, times in peers.get("works", {}).get(work, {}).items():
            times_ours = ratio(statistics.median(times), mine)
            lines.append(f"| `{work}` | PyTorch, {variant} | {with_spread(times)} | "
                         f"{NOT_MEASURED if times_ours is None else f'{times_ours:.2f}'} |")
    return lines


def steps_table(ours):
    lines = ["| step | median (least to greatest) | host | images/s | TFLOP/s |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for name, host in sorted(host_seconds(ours).items()):
        one = ours[name]
        rate = f"{one.median('FLOP/s') / 1e12:.3g}" if "FLOP/s" in one.counters else "-"
        lines.append(f"| `{name}` | {with_spread(one.seconds)} | {in_seconds(host)} | "
                     f"{one.median('images/s'):,.0f} | {rate} |")
    return lines


def memory_table(ours):
    lines = ["| operation | median (least to greatest) | GB/s | of the copy rate |",
             "| --- | ---: | ---: | ---: |"]
    for name, share in sorted(large_shares(ours).items(), key=lambda item: item[1]):
        one = ours[name]
        lines.append(f"| `{name}` | {with_spread(one.seconds)} | {one.median('B/s') / 1e9:,.0f} | "
                     f"{100 * share:.0f} % |")
    return lines


def engines_table(ours):
    """A row a pass, shape and precision; a column an engine, in TFLOP/s."""
    engines = ("columns", "implicit", "cudnn", "cublas-product")
    rates = {}
    for name, one in ours.items():
        parts = name.split("/")
        if len(parts) == 4 and parts[2] in engines:
            key = (parts[0], int(parts[1].split("x")[-1]), parts[3], parts[1])
            rates.setdefault(key, {})[parts[2]] = one.median("FLOP/s") / 1e12
    lines = ["| pass | layer | precision | " + " | ".join(engines) + " |",
             "| --- | --- | --- |" + " ---: |" * len(engines)]
    for key in sorted(rates):
        cells = (f"{rates[key][engine]:.3g}" if engine in rates[key] else "-" for engine in engines)
        lines.append(f"| {key[0]} | {key[3]} | {key[2]} | " + " | ".join(cells) + " |")
    return lines


def warnings(ours, failed, peers):
    few = [name for name, one in ours.items() if len(one.seconds) < LEAST_REPEATS]
    few += [work for work, variants in peers.get("works", {}).items()
            if any(len(times) < LEAST_REPEATS for times in variants.values())]
    if few:
        yield f"Fewer than {LEAST_REPEATS} repeats: " + ", ".join(f"`{name}`" for name in few) + "."
    for name, message in failed.items():
        yield f"Failed: `{name}`: {message}."
    for variant, reason in peers.get("skipped", {}).items():
        yield f"Not run: PyTorch, {variant}: {reason}."


def report(document, peers, run_seconds):
    ours, failed = read_ours(document)
    bars = Bars()
    add_round_bars(bars, ours, peers, run_seconds)
    add_kernel_bars(bars, ours)
    about = f"redoubt on {document.get('context', {}).get('cuda_fingerprint', 'an unknown device')}"
    if peers:
        about += f"; PyTorch {peers['torch']} on {peers['device']}, products in {peers['precision']}"
    lines = [about + ".", "", *bars.lines()]
    for note in warnings(ours, failed, peers):
        lines += ["", note]
    if COPY in ours:
        lines += ["", f"The device copies {ours[COPY].median('B/s') / 1e9:,.0f} GB/s, bytes read and "
                  "written."]
    for title, table in (("Rounds and evaluations", rounds_table(ours, peers)),
                         ("Steps of all clients of a round", steps_table(ours)),
                         ("Kernels bound by memory, 256 MB", memory_table(ours)),
                         ("Convolutions of ten clients at batch 64, TFLOP/s", engines_table(ours))):
        lines += ["", f"### {title}", "", *table]
    return "\n".join(lines)


def read_json(path, last_line=False):
    """A file's object; of a peer's, its last line's, which has all that the others have."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.loads(file.read().strip().split("\n")[-1]) if last_line else json.load(file)
    except (OSError, ValueError) as error:
        print(f"gpu_table.py: {path}: {error}", file=sys.stderr)
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours")
    parser.add_argument("--peers")
    parser.add_argument("--run-seconds", type=float)
    arguments = parser.parse_args()
    document = read_json(arguments.ours)
    peers = read_json(arguments.peers, last_line=True) if arguments.peers else {}
    try:
        text = report(document, peers, arguments.run_seconds)
    except KeyError as error:
        print(f"gpu_table.py: a benchmark lacks {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
