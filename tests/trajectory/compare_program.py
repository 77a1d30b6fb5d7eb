#!/usr/bin/env python3
"""Trains one client with the redoubt program as a user would, from a model file that PyTorch could
have written, in file order, and the same model with PyTorch; then compares the two.

    compare_program.py PROGRAM      exit 0 if they agree, 1 if not, 77 without torch

Checked: the mean training loss, every tensor of the trained model file, and that the file loaded
into PyTorch has the test loss and accuracy that redoubt reported.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import hashed_data
import pytorch_presets

PRESET = "wu-fashion"
TRAIN, TEST, BATCH = 315, 60, 32  # the last batch is smaller
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 0.001
LARGEST_GAP = 1e-4


def write_idx(path, array):
    """IDX of unsigned bytes: 0, 0, 8, dimensions, sizes with the high byte first, data."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(numpy.uint8).tobytes())


def write_safetensors(path, tensors):
    header, blob = {}, b""
    for name, values in tensors.items():
        data = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape),
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(content[first:last], dtype="<f4")
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def run_program(program, folder, images, labels, weights):
    """The run's metrics of its only round, and its model."""
    for split, part in (("train", slice(0, TRAIN)), ("t10k", slice(TRAIN, None))):
        write_idx(folder / f"{split}-images-idx3-ubyte", images[part, 0])
        write_idx(folder / f"{split}-labels-idx1-ubyte", labels[part])
    write_safetensors(folder / "initial.safetensors", weights)
    # JSON is YAML.
    (folder / "experiment.yaml").write_text(json.dumps({
        "name": "comparison",
        "device": "cpu",
        "data": {"dataset": "mnist", "directory": str(folder), "validation_samples": 0,
                 "normalize": {"mean": [0.5], "std": [0.25]}, "shuffle": False,
                 "partition": "iid"},
        "model": {"preset": PRESET, "initial": str(folder / "initial.safetensors")},
        "federation": {"clients": 1, "rounds": 1,
                       "local": {"epochs": 1, "batch": BATCH,
                                 "optimizer": {"kind": "sgd", "lr": LEARNING_RATE,
                                               "momentum": MOMENTUM,
                                               "weight_decay": WEIGHT_DECAY}}},
        "output": {"directory": str(folder / "runs")},
    }))
    subprocess.run([program, "run", str(folder / "experiment.yaml")], check=True,
                   stdout=subprocess.DEVNULL)
    run = folder / "runs" / "comparison"
    metrics = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    return metrics, read_safetensors(run / "model.safetensors")


def train_with_pytorch(model, images, labels):
    """One epoch in file order; returns the mean loss over images."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM,
                                weight_decay=WEIGHT_DECAY)
    total = 0.0
    for first in range(0, TRAIN, BATCH):
        batch = slice(first, min(first + BATCH, TRAIN))
        loss = torch.nn.functional.cross_entropy(model(images[batch]), labels[batch])
        total += loss.item() * (batch.stop - batch.start)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return total / TRAIN


def gap(found, wanted):
    """The largest distance, as a share of the largest wanted value."""
    found = torch.as_tensor(found, dtype=torch.float64)
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def main():
    program = sys.argv[1]
    torch.set_num_threads(1)
    shape, _ = pytorch_presets.PRESETS[PRESET]
    images = hashed_data.make_images(TRAIN + TEST, shape)
    labels = hashed_data.make_labels(TRAIN + TEST)
    model = pytorch_presets.make_model(PRESET)
    shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    weights = hashed_data.make_weights(shapes)
    with tempfile.TemporaryDirectory(prefix="redoubt-comparison-") as folder:
        metrics, trained = run_program(program, pathlib.Path(folder), images, labels, weights)

    inputs = torch.from_numpy(hashed_data.normalized(images))
    answers = torch.from_numpy(labels)
    # In double, as in make_trajectories.py: the reference's own rounding is no part of the gap.
    model.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    model.double()
    gaps = {"training loss": gap(metrics["training_loss"],
                                 train_with_pytorch(model, inputs.double(), answers))}
    for name, value in model.state_dict().items():
        gaps[name] = gap(trained[name], value)

    loaded = pytorch_presets.make_model(PRESET)
    loaded.load_state_dict(trained, strict=True)
    loaded.eval()
    with torch.no_grad():
        logits = loaded(inputs[TRAIN:])
    loss = torch.nn.functional.cross_entropy(logits, answers[TRAIN:])
    accuracy = (logits.argmax(dim=1) == answers[TRAIN:]).double().mean()
    gaps["test loss of the model file"] = gap(metrics["loss"], loss)
    gaps["test accuracy of the model file"] = gap(metrics["accuracy"], accuracy)

    for name, size in gaps.items():
        print(f"{'ok  ' if size < LARGEST_GAP else 'FAIL'} {name}: {size:.1e}")
    return 0 if all(size < LARGEST_GAP for size in gaps.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
