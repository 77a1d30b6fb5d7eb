"""What the fuzzers start from: seeds.py FOLDER makes FOLDER/<target>/ with a few good inputs each, and
a dictionary FOLDER/<target>.dict where words help."""

import gzip
import json
import pathlib
import re
import struct
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def safetensors(tensors, metadata):
    """`tensors`: name, type, shape, bytes."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, kind, shape, content in tensors:
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def floats(count):
    return struct.pack(f"<{count}f", *(i / 8 for i in range(count)))


def experiment_files():
    yield from (path.read_bytes() for path in sorted((TOP / "experiments").rglob("*.yaml")))
    yield b"x-a: &a {clients: 3}\nmodel: toy4\nfederation: {<<: *a, rounds: 2}\n"
    yield b"model: {layers: [{conv: {channels: 2, kernel: 3}}, relu, {dense: 10}]}\nattack: {}\n"


def model_files():
    # Of the network of safetensors.cpp.
    model = [("conv1.weight", "F32", [2, 1, 3, 3], floats(18)), ("bn1.weight", "F32", [2], floats(2)),
             ("bn1.bias", "F32", [2], floats(2)), ("bn1.running_mean", "F32", [2], floats(2)),
             ("bn1.running_var", "F32", [2], floats(2)), ("fc1.weight", "F32", [2, 32], floats(64)),
             ("fc1.bias", "F32", [2], floats(2))]
    yield safetensors(model, {"format": "pt", "pruned.conv1": "1", "lowest_input": "3",
                              "highest_input": "250", "normalization.mean": "0.5",
                              "normalization.std": "0.25", "zeroed.conv1.weight": "0"})
    yield safetensors([("a", "F16", [2], b"\0\1\2\3"), ("b", "BF16", [1, 1], b"\0\1"),
                       ("bn1.num_batches_tracked", "I64", [], bytes(8))], {})
    yield safetensors([], {})


def checkpoints():
    state = [("row", "F32", [4], floats(4)), ("mask", "F32", [2], floats(2)),
             ("kept", "F32", [4], floats(4)), ("rule.history.1", "F32", [2], floats(2)),
             ("trained.row", "F32", [4], floats(4)), ("best_row", "F32", [4], floats(4))]
    for number in ("4", "3", "2"):
        yield safetensors(state, {"format": f"redoubt-checkpoint-{number}", "next_round": "3",
                                  "pipelines_done": "1", "stages_done": "0", "stage_rounds_done": "0",
                                  "trained.next_round": "3", "best_round": "2", "metrics_bytes": "9"})


def images():
    pictures = struct.pack(">IIII", 0x803, 1, 28, 28) + bytes(784)
    labels = struct.pack(">II", 0x801, 1) + bytes([7])
    for first, second in ((pictures, labels), (gzip.compress(pictures), gzip.compress(labels))):
        yield bytes([0]) + struct.pack(">H", len(first)) + first + second
    yield bytes([3, 0, 0]) + bytes([4]) + bytes(3072)


def run_folders():
    line = {"stage": "round", "round": 1, "accuracy": 0.5, "attack_success_rate": 0.9,
            "attack_success_baseline": 0.1, "loss": 1.5, "attack_images": 9, "training_loss": 1.6,
            "clients": 3, "images": 60, "rejected_updates": 0, "used_updates": 3, "attackers": [1]}
    stage = {"pipeline": "a", "stage": "prune", "step": 1, "accuracy": 0.4, "loss": 101.0,
             "collapsed_class": 3, "pruned_channels": 2, "note": "2 of 8"}
    best = dict(line, stage="best_round", loss=None)
    yield "".join(json.dumps(each) + "\n" for each in (line, best, stage)).encode()
    yield json.dumps({"name": "a", "stages": [line, stage], "seconds": 1.5}).encode()
    yield (json.dumps(dict(stage, stage="failed", note="prune: no")) + "\n").encode()


TARGETS = {"experiment_file": experiment_files, "safetensors": model_files,
           "checkpoint": checkpoints, "images": images, "run_folder": run_folders}


def words_of(seeds):
    """Every word of the seeds that a reader may look for."""
    return sorted({word for seed in seeds
                   for word in re.findall(rb"[A-Za-z_][A-Za-z_.-]{2,30}", seed)})


def main(folder):
    for target, make in TARGETS.items():
        own = folder / target
        own.mkdir(parents=True, exist_ok=True)
        seeds = list(make())
        for i, seed in enumerate(seeds):
            (own / f"seed-{i}").write_bytes(seed)
        lines = [f'"{word.decode()}"' for word in words_of(seeds)]
        (folder / f"{target}.dict").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
