#!/usr/bin/env python3
"""Whether two builds of redoubt compute the same bits.

    same_bits.py BEFORE AFTER [--work DIR] [--only NAME] [--jobs 2]

runs each experiment of the table below with the program BEFORE and with the program AFTER, on the
CPU and on the procedural data sets, and compares what they write:

- every .safetensors file (models, those of pipelines and of `redoubt defend`, fragments, examples)
  byte for byte, checkpoints tensor by tensor;
- metrics.jsonl line by line: keys that both have must have equal values; keys that one has alone
  are listed at the end and are no difference;
- the numbers that `redoubt evaluate` prints.

It prints `same` or what differs for each experiment and ends with 1 if anything differs. A program
that cannot run an experiment differs, too, even if neither can.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

# An experiment has these sections, unless its own text has a section of the same name.
BASE = """
data: {dataset: synthetic-gray, train_samples: 700, validation_samples: 100}
model: {layers: [{conv: {channels: 4, kernel: 5, stride: 2}}, relu, {max_pool: 2}, {conv: {channels: 8, kernel: 3}}, relu, {max_pool: 2}, {dense: 10}]}
federation: {clients: 7, rounds: 3, local: {batch: 16, optimizer: {kind: sgd, lr: 0.05, momentum: 0.9}}}
attack: {clients: 2, trigger: {kind: pixels, pixels: 5}, poison: {copies: 2}, scale: 2}
output: {checkpoint_every: 1}
"""

COLOR = "data: {dataset: synthetic-color, train_samples: 700, validation_samples: 100}\n"
PRUNED = "\ndefense: {after_training: [{prune: {vote: VOTE}}]}"


def rule(text):
    return f"defense: {{rule: {text}}}"


def attack(text, clients="2"):
    return f"attack: {{clients: {clients}, trigger: {{kind: pixels, pixels: 3}}, {text}}}"


def trigger(text):
    return f"attack: {{clients: 2, trigger: {{{text}}}, scale: 2}}"


def untargeted(text):
    return f"attack: {{clients: 2, untargeted: {text}}}"


def stages(text):
    return f"defense: {{after_training: [{text}]}}"


def layers(text):
    return f"model: {{layers: [{text}, {{dense: 10}}]}}"


def federation(text):
    return f"federation: {{clients: 7, rounds: 3, {text}}}"


def data(text):
    return f"data: {{dataset: synthetic-gray, train_samples: 700, validation_samples: 100, {text}}}"


EXPERIMENTS = {
    # Aggregation rules, under the backdoor of BASE.
    "fedavg": rule("fedavg"),
    "krum": rule("{krum: {malicious: 2}}"),
    "multi-krum": rule("{multi-krum: {malicious: 2}}"),
    "multi-krum-selected": rule("{multi-krum: {malicious: 1, selected: 3}}"),
    "bulyan": rule("{bulyan: {malicious: 1}}"),
    "trimmed-mean": rule("{trimmed-mean: {malicious: 2}}"),
    "median": rule("median"),
    "geometric-median": rule("{geometric-median: {iterations: 7, smoothing: 1e-5}}"),
    "norm-bound": rule("{norm-bound: {norm: 0.5, noise: 0.01}}"),
    "norm-check": rule("{norm-check: {norm: 1.2}}"),
    "norm-check-median": rule("{norm-check: {times_median: 1.3}}"),
    "accuracy-check": rule("{accuracy-check: {drop: 0.03}}"),
    "foolsgold": rule("foolsgold"),
    "foolsgold-all": rule("{foolsgold: {features: all, confidence: 0.8}}"),
    "spectral": rule("{spectral: {dimensions: 200, references: 4, components: 3}}"),
    "spectral-layer": rule(
        "{spectral: {layer: conv2, dimensions: 90, references: 5, memory: 2, components: 2, samples: 40, threshold: references}}"),
    "ariba": rule("{ariba: {suspects: 2, layers: [middle, last]}}"),
    "ariba-filter": rule(
        "{ariba: {suspects: 2, layers: [conv2], fragments: filter, detector: {kind: nearest-neighbours, neighbours: 5}, export: {round: 2}}}"),
    "ariba-block": rule(
        "{ariba: {suspects: 2, layers: [conv2], fragments: {kind: block, block: 6}, detector: {kind: robust-covariance, support: 0.7}}}"),

    # Triggers.
    "pixels": trigger("kind: pixels, pixels: 9, row: 3, column: 20, value: 200"),
    "pattern": trigger("kind: pattern"),
    "distributed": trigger("kind: distributed").replace("clients: 2", "clients: 4"),
    "distributed-parts": trigger(
        "kind: distributed, value: 250, parts: [{row: 1, column: 1, width: 4}, {row: 5, column: 5, height: 3}]"),
    "semantic": COLOR + trigger("kind: semantic, channel: red, margin: 5, share: 0.1"),
    "semantic-images": """data: {dataset: synthetic-color, validation_samples: 100}
federation: {clients: 50, rounds: 1}
attack: {clients: 2, trigger: {kind: semantic, images: [9, 19, 29], test_images: [9, 19]}, scale: 2}""",
    "targeted": trigger("kind: targeted, samples: 9"),

    # What else attackers do.
    "all-victims": attack("victim: all, target: 3, poison: {copies: 1}"),
    "chosen-clients": attack("victim: 2, target: 5, scale: 1.5", clients="[1, 4, 5]"),
    "scale-full": attack("scale: full", clients="1"),
    "scale-shared": attack("scale: {shared: 5}"),
    "attack-local": attack("scale: 2, local: {epochs: 3, batch: 7, lr: 0.02}"),
    "evade-l2": attack("evade: {metric: l2, rho: 0.3}"),
    "evade-cosine": attack("evade: {metric: cosine, rho: 0.4}"),
    "project": attack("scale: 4, project: 0.7"),
    "protect-ranking": attack("protect_channels: true") + PRUNED.replace("VOTE", "ranking"),
    "protect-majority": attack("protect_channels: true") + PRUNED.replace("VOTE", "majority"),
    "pruning-aware": attack("pruning_aware: {rate: 0.4}") + PRUNED.replace("VOTE", "ranking"),
    "self-clip": attack("self_clip: {delta: 1.5}") + "\n" + stages("adjust_weights"),
    "label-flip": untargeted("label-flip"),
    "label-flip-one": untargeted("{label-flip: {victim: 4, target: 6}}"),
    "sign-flip": untargeted("{sign-flip: {factor: 2}}"),
    "noise": untargeted("{noise: {deviation: 0.2}}"),
    "little-is-enough": untargeted("little-is-enough"),
    "little-omniscient": untargeted("{little-is-enough: {shift: 0.8, omniscient: true}}"),
    "inner-product": untargeted("inner-product"),
    "inner-omniscient": untargeted("{inner-product: {epsilon: 0.5, omniscient: true}}"),
    "redraw": attack("redraw: true, scale: 3") + "\n" + federation("clients_per_round: 4"),
    "some-rounds": attack("from_round: 2, to_round: 3, scale: 3") + """
federation: {clients: 7, clients_per_round: 5, rounds: 4}""",
    "nobody-malicious": "attack: null",

    # Stages.
    "prune-fixed": stages("{prune: {layer: conv1, channels: 2}}, {fine_tune: {rounds: 2, lr: 0.01}}"),
    "prune-majority": stages(
        "{prune: {vote: majority, rate: 0.4, ties: index, judge: clients, stop: {accuracy_drop: 0.05}}}"),
    "prune-twice": stages("{prune: {stop: {loss_rise: 0.2}}}, {fine_tune: {rounds: 1}}, prune"),
    "adjust-fixed": stages("{adjust_weights: {layer: conv1, delta: 1.5}}"),
    "adjust-swept": stages(
        "{adjust_weights: {from: 3, to: 0.5, step: 0.5, judge: clients, stop: {accuracy_drop: 0.1}}}"),
    "limit-fixed": stages("{limit_inputs: {ends: both, margin: 40}}"),
    "limit-swept": stages(
        "{limit_inputs: {ends: dark, from: 5, to: 65, step: 15}}, {fine_tune: {rounds: 1}}, limit_inputs"),
    "pipelines": """defense:
  rule: median
  after_training:
    first: [prune, {fine_tune: {rounds: 2, lr: 0.02}}, adjust_weights]
    second: [{limit_inputs: {margin: 30}}, {prune: {vote: majority}}, {fine_tune: {rounds: 1}}]""",
    "keep-best": """federation: {clients: 7, rounds: 4, keep: best, local: {batch: 16, optimizer: {lr: 0.2, momentum: 0.9}}}
defense: {after_training: [prune]}""",

    # Networks and training.
    "batch-norm": layers(
        "{conv: {channels: 4, kernel: 3, stride: 2, bias: 0}}, {batch_norm: {momentum: 0.2}}, relu, {average_pool: {window: 3, stride: 2}}"),
    "residual": COLOR + layers(
        "{conv: {channels: 6, kernel: 3, stride: 3}}, {residual: {body: [{conv: {channels: 4, kernel: 3, padding: 1, stride: 2}}, batch_norm, relu],"
        " shortcut: [{conv: {channels: 4, kernel: 1, stride: 2}}]}}, {residual: {body: [{conv: {channels: 4, kernel: 3, padding: 1}}]}}, global_average_pool"),
    "dropout": layers(
        "{conv: {channels: 4, kernel: 5, stride: 2}}, relu, {max_pool: {window: 3, stride: 2}}, {dropout: 0.25}, {dense: 20}, relu, {dropout: 0.5}"),
    "resnet8": """data: {dataset: synthetic-color, train_samples: 120, validation_samples: 20}
model: resnet8
federation: {clients: 3, rounds: 1}
attack: {clients: 1, trigger: {kind: pattern}}""",
    "he": "model: {preset: wu-mnist-small, initialization: he}\nfederation: {clients: 3, rounds: 1}",
    "xavier": "model: {preset: wu-fashion, initialization: xavier}\nfederation: {clients: 3, rounds: 1}",
    "adam": federation("lr_decay: 0.9, local: {optimizer: {kind: adam, lr: 0.003, weight_decay: 0.01}}"),
    "weight-decay": federation("server_lr: 0.8, local: {epochs: 2, batch: 13, optimizer: {lr: 0.05, weight_decay: 0.01}}"),
    "last-conv-l2": federation("evaluate_every: 2, local: {batch: 1000, last_conv_l2: 0.05, optimizer: {lr: 0.05}}"),
    "odd-batch": federation("wave: 3, local: {batch: 37, optimizer: {lr: 0.05}}"),

    # Data.
    "k-label": data("partition: {kind: k-label, labels: 3}"),
    "dirichlet": data("partition: {kind: dirichlet, alpha: 0.3}"),
    "unit": data("normalize: unit, shuffle: false"),
    "given": data("normalize: {mean: [0.3], std: [0.4]}"),
    "another-seed": "seed: 7",

    # More than one command: see STEPS.
    "defend": rule("median"),
    "evaluate": stages("prune, {limit_inputs: {margin: 30}}"),
    "initial": stages("{prune: {channels: 2}}, {limit_inputs: {margin: 30}}"),
    "sweep": """federation: {clients: 7, rounds: 2}
sweep:
  seed: [1, 2]
  defense:
    pruned: {defense.after_training: [prune]}
    tuned: {defense.after_training: [{fine_tune: {rounds: 1}}, adjust_weights]}""",
    "resume": """federation: {clients: 7, clients_per_round: 5, rounds: 12, local: {batch: 16, optimizer: {lr: 0.05, momentum: 0.9}}}
defense: {rule: foolsgold, after_training: [prune, {fine_tune: {rounds: 2}}]}
output: {checkpoint_every: 0}""",
}

# Commands of an experiment, instead of RUN alone. STOP is RUN, stopped after its first round.
RUN = "run experiment.yaml --output runs --quiet"
STOP = "stop"
STEPS = {
    "defend": [RUN, "defend runs/experiment stages.yaml more.yaml --quiet"],
    "evaluate": [RUN, "evaluate runs/experiment/model.safetensors experiment.yaml"],
    "initial": [RUN, RUN + " --name second --set model.initial=runs/experiment/model.safetensors"],
    "sweep": ["sweep experiment.yaml --output runs --jobs 1 --quiet"],
    "resume": [RUN.replace("runs", "unstopped"), STOP, RUN + " --resume"],
}
FILES = {
    "stages.yaml": "after_training: [{prune: {vote: majority}}, {fine_tune: {rounds: 1}}]\n",
    "more.yaml": "after_training: {a: [adjust_weights], b: [limit_inputs, prune]}\n",
}


class Failed(Exception):
    """A command that did not end as it should."""


def experiment_text(own):
    named = re.findall(r"^(\w+):", own, re.MULTILINE)
    base = [line for line in BASE.strip().splitlines() if line.split(":")[0] not in named]
    return "\n".join(base + [own]) + "\n"


def stop_after_a_round(command, folder):
    metrics = folder / "runs" / "experiment" / "metrics.jsonl"
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (metrics.exists() and metrics.read_bytes()):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
    if process.returncode == 0:
        raise Failed("it ended before it could be stopped")


def run(program, name, folder):
    """Runs the experiment's commands in the folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file, text in {**FILES, "experiment.yaml": experiment_text(EXPERIMENTS[name])}.items():
        (folder / file).write_text(text)
    for step in STEPS.get(name, [RUN]):
        command = [program, *shlex.split(RUN if step == STOP else step), "--device", "cpu", "--threads", "1"]
        if step == STOP:
            stop_after_a_round(command, folder)
            continue
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise Failed(f"{step}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
        if step.startswith("evaluate"):
            (folder / "runs" / "evaluate.txt").write_text(json.dumps(json.loads(done.stdout), sort_keys=True))


def tensors(path):
    """Name -> (type, shape, bytes) of a safetensors file, without its metadata."""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], content[start:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def differing_keys(before, after, alone):
    """Keys of both that differ; adds those of one alone to the set `alone`."""
    alone |= before.keys() ^ after.keys()
    # As text, since a NaN is unlike itself.
    return sorted(key for key in before.keys() & after.keys() if repr(before[key]) != repr(after[key]))


def differences_of_models(before, after):
    if before.read_bytes() == after.read_bytes():
        return []
    if tensors(before) == tensors(after):
        return ["metadata or order in the file"]
    keys = set()
    keys |= set(differing_keys(tensors(before), tensors(after), keys))
    return ["tensors " + ", ".join(sorted(keys))]


def differences_of_checkpoints(before, after, alone):
    only_one = set()
    keys = differing_keys(tensors(before), tensors(after), only_one)
    alone |= {"checkpoint: " + key for key in only_one}
    return ["tensors " + ", ".join(keys)] if keys else []


def differences_of_metrics(before, after, alone):
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in (before, after)]
    if len(lines[0]) != len(lines[1]):
        return [f"{len(lines[0])} lines and {len(lines[1])}"]
    keys = [(number, differing_keys(*pair, alone)) for number, pair in enumerate(zip(*lines), 1)]
    return [f"line {number}: {', '.join(found)}" for number, found in keys if found][:1]


def numbers(path):
    return re.findall(r"\d+(?:\.\d+)?", path.read_text())


def compare(before, after, alone):
    """What differs between two folders of runs, a text each; keys of one alone go to `alone`."""
    files = [{path.relative_to(folder) for pattern in ("*.safetensors", "metrics.jsonl", "evaluate.txt")
              for path in folder.rglob(pattern)} for folder in (before, after)]
    differences = [f"{path}: only {'before' if path in files[0] else 'after'}"
                   for path in sorted(files[0] ^ files[1])]
    if not files[0]:
        differences.append("no files")
    for path in sorted(files[0] & files[1]):
        pair = before / path, after / path
        if path.name == "metrics.jsonl":
            found = differences_of_metrics(*pair, alone)
        elif path.name == "evaluate.txt":
            found = ["other numbers"] if numbers(pair[0]) != numbers(pair[1]) else []
        elif path.parent.name == "checkpoint":
            found = differences_of_checkpoints(*pair, alone)
        else:
            found = differences_of_models(*pair)
        differences += [f"{path}: {text}" for text in found]
    return differences


def check(name, programs, work):
    """(differences, keys that one program has alone) of an experiment."""
    folders = [work / side / name for side in ("before", "after")]
    differences, alone = [], set()
    for side, program, folder in zip(("before", "after"), programs, folders):
        try:
            run(program, name, folder)
        except (Failed, subprocess.TimeoutExpired) as error:
            differences.append(f"{side} failed: {error}")
    if differences:
        return differences, alone
    differences = compare(*[folder / "runs" for folder in folders], alone)
    if STOP in STEPS.get(name, []):
        for side, folder in zip(("before", "after"), folders):
            stopped = compare(folder / "unstopped", folder / "runs", set())
            differences += [f"{side}, unstopped and resumed: {text}" for text in stopped]
    return differences, alone


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", help="a program")
    parser.add_argument("after", help="the program to compare")
    parser.add_argument("--work", type=pathlib.Path, help="where runs go and stay; else a folder that is removed")
    parser.add_argument("--only", choices=EXPERIMENTS, metavar="NAME", help="this experiment alone")
    parser.add_argument("--jobs", type=int, default=2, help="experiments at a time")
    arguments = parser.parse_args()
    programs = [str(pathlib.Path(program).absolute()) for program in (arguments.before, arguments.after)]
    names = [arguments.only] if arguments.only else list(EXPERIMENTS)

    differing, alone = 0, set()
    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        work = (arguments.work or pathlib.Path(temporary)).absolute()
        for name, (differences, keys) in zip(names, pool.map(lambda name: check(name, programs, work), names)):
            print(f"{name:20}", "; ".join(differences) or "same", flush=True)
            differing += bool(differences)
            alone |= keys
    if alone:
        print("keys that one program has alone:", ", ".join(sorted(alone)))
    print(f"{len(names) - differing} of {len(names)} experiments are the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
