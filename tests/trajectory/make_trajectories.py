#!/usr/bin/env python3
"""Makes trajectories.json: 20 training steps of each preset as PyTorch takes them, for
trajectory_test.cpp to take again with redoubt.

    make_trajectories.py            writes the file beside this script
    make_trajectories.py --check    compares the first steps with it instead; exit 1 if they differ,
                                    77 without torch

PyTorch runs in float64, so what the test measures is redoubt's own rounding; `float32_gap` tells
how far PyTorch's float32 run strays from it. Initial weights and images are hashed_data.py's;
dropout follows redoubt's own keys, which this script turns into masks with a Philox of its own.
"""

import argparse
import json
import pathlib
import sys

try:
    import numpy
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import hashed_data
import pytorch_presets

FILE = pathlib.Path(__file__).with_name("trajectories.json")
STEPS = 20
CHECKED_STEPS = 4
IMAGES = 60  # the steps walk over them in order, again and again
LOGIT_IMAGES = 4
DROPOUT_KEY = {"seed": 20261123, "client": 3, "round": 2}

# `batch` columns, of which the first `images` are real and the rest padding. Batch norm makes
# training chaotic: PyTorch's own float32 run strays from float64 tenfold every few steps, so the
# residual networks take fewer.
CASES = [
    {"preset": "wu-mnist", "batch": 16, "images": 16,
     "optimizer": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 0.0}},
    {"preset": "wu-mnist-small", "batch": 20, "images": 20,
     "optimizer": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}},
    {"preset": "wu-mnist-small", "batch": 16, "images": 16,
     "optimizer": {"kind": "adam", "lr": 0.001, "momentum": 0.0, "weight_decay": 0.001}},
    {"preset": "toy4", "batch": 16, "images": 16,
     "optimizer": {"kind": "adam", "lr": 0.001, "momentum": 0.0, "weight_decay": 0.0}},
    {"preset": "resnet8", "batch": 16, "images": 12, "steps": 6,
     "optimizer": {"kind": "sgd", "lr": 0.002, "momentum": 0.9, "weight_decay": 0.0005}},
    {"preset": "resnet8", "batch": 10, "images": 10, "steps": 8,
     "optimizer": {"kind": "adam", "lr": 0.001, "momentum": 0.0, "weight_decay": 0.0}},
    {"preset": "resnet18", "batch": 4, "images": 4, "steps": 4,
     "optimizer": {"kind": "sgd", "lr": 0.001, "momentum": 0.9, "weight_decay": 0.0005}},
    {"preset": "wu-fashion", "batch": 16, "images": 11, "last_conv_l2": 0.02,
     "optimizer": {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0}},
    {"preset": "wu-cifar", "batch": 16, "images": 16,
     "optimizer": {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.005}},
    {"preset": "pfl-cifar", "batch": 20, "images": 20,
     "optimizer": {"kind": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0}},
]


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011, section 3.3). counter: four arrays, key: two numbers."""
    mask = numpy.uint64(0xFFFFFFFF)
    c = [numpy.asarray(word, dtype=numpy.uint64) for word in counter]
    k = [int(word) for word in key]
    for _ in range(10):
        first = c[0] * numpy.uint64(0xD2511F53)
        second = c[2] * numpy.uint64(0xCD9E8D57)
        high = numpy.uint64(32)
        c = [(second >> high) ^ c[1] ^ numpy.uint64(k[0]), second & mask,
             (first >> high) ^ c[3] ^ numpy.uint64(k[1]), first & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


class KeyedDropout(torch.nn.Module):
    """Dropout whose choices are redoubt's: base/random.h gives the counter's fields, value i of
    a batch laid out [C][H][W][N] takes number i, and is dropped if that is below rate * 2^32."""

    PURPOSE = 7
    step = 0
    batch = 0  # columns, padding included

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.place = None  # of the layer in redoubt's network, where ReLU and max pool are one

    def forward(self, values):
        if not self.training:
            return values
        images = values.shape[0]
        size = values[0].numel()
        count = size * KeyedDropout.batch
        index = numpy.arange((count + 3) // 4, dtype=numpy.uint64)
        seed = DROPOUT_KEY["seed"]
        words = philox([index, numpy.full_like(index, KeyedDropout.step << 8 | self.place),
                        numpy.full_like(index, DROPOUT_KEY["round"] << 8 | self.PURPOSE),
                        numpy.full_like(index, DROPOUT_KEY["client"])],
                       [seed & 0xFFFFFFFF, seed >> 32])
        numbers = numpy.stack(words, axis=1).reshape(-1)[:count].reshape(size, KeyedDropout.batch)
        kept = numbers >= int(self.rate * 2**32)
        mask = torch.from_numpy(kept[:, :images].T.copy()).reshape(values.shape)
        return values * mask.to(values.dtype) / (1 - self.rate)


def place_dropouts(model):
    """Tells each dropout its place in redoubt's network: flattening is no layer there, and a ReLU
    before a max pool is part of it."""
    place = -1
    modules = list(model.children())
    for module, following in zip(modules, modules[1:] + [None]):
        fused = isinstance(module, torch.nn.ReLU) and isinstance(following, torch.nn.MaxPool2d)
        if fused or isinstance(module, torch.nn.Flatten):
            continue
        place += 1
        if isinstance(module, KeyedDropout):
            module.place = place


def load_weights(model):
    """Batch norms keep what they start from; their tensors count all the same, except for the count
    of batches, which redoubt does not have."""
    shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()
              if not name.endswith("num_batches_tracked")]
    weights = hashed_data.make_weights(shapes)
    norms = [name + "." for name, module in model.named_modules()
             if isinstance(module, torch.nn.BatchNorm2d)]
    for name, values in model.state_dict().items():
        if not name.startswith(tuple(norms)):
            values.copy_(torch.from_numpy(weights[name]))


def make_optimizer(model, settings):
    if settings["kind"] == "adam":
        return torch.optim.Adam(model.parameters(), lr=settings["lr"],
                                weight_decay=settings["weight_decay"])
    return torch.optim.SGD(model.parameters(), lr=settings["lr"], momentum=settings["momentum"],
                           weight_decay=settings["weight_decay"])


def run(case, dtype, steps):
    """Losses of each step, then logits and tensor norms of the trained model."""
    shape = pytorch_presets.input_shape(case["preset"])
    model = pytorch_presets.make_model(case["preset"], dropout=KeyedDropout)
    place_dropouts(model)
    load_weights(model)
    model.to(dtype)
    images = torch.from_numpy(
        hashed_data.normalized(hashed_data.make_images(IMAGES, shape))).to(dtype)
    labels = torch.from_numpy(hashed_data.make_labels(IMAGES))
    optimizer = make_optimizer(model, case["optimizer"])
    KeyedDropout.batch = case["batch"]

    losses = []
    for step in range(steps):
        KeyedDropout.step = step
        batch = [(step * case["images"] + n) % IMAGES for n in range(case["images"])]
        loss = torch.nn.functional.cross_entropy(model(images[batch]), labels[batch])
        losses.append(loss.item())
        penalty = case.get("last_conv_l2", 0) * (pytorch_presets.last_conv(model).weight**2).sum()
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(images[:LOGIT_IMAGES]).tolist()
        norms = {name: value.norm().item() for name, value in model.state_dict().items()
                 if not name.endswith("num_batches_tracked")}
    return losses, logits, norms


def largest_gap(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def make_case(case):
    steps = case.get("steps", STEPS)
    losses, logits, norms = run(case, torch.float64, steps)
    single, _, _ = run(case, torch.float32, steps)
    return {**case, "last_conv_l2": case.get("last_conv_l2", 0.0), "losses": losses,
            "logits": logits, "norms": norms,
            "float32_gap": float(f"{largest_gap(single, losses):.1e}")}


def differences(kept):
    """Lines that say where the file differs from what its first steps would be now."""
    if len(CASES) != len(kept["cases"]):
        return ["another number of cases"]
    lines = []
    for case, old in zip(CASES, kept["cases"]):
        for key, value in case.items():
            if old[key] != value:
                lines.append(f"{case['preset']}: {key} is {value}, the file has {old[key]}")
        losses, _, _ = run(case, torch.float64, CHECKED_STEPS)
        gap = largest_gap(losses, old["losses"])
        if not gap < 1e-9:
            lines.append(f"{case['preset']}: losses differ by {gap:.1e}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # The first known answer of Random123's kat_vectors file: all zeros.
    answer = [int(word) for word in philox([0, 0, 0, 0], [0, 0])]
    assert answer == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], answer
    if arguments.check:
        lines = differences(json.loads(FILE.read_text()))
        for line in lines:
            print(line)
        return 1 if lines else 0
    made = {
        "comment": "made by make_trajectories.py with PyTorch in float64; do not edit",
        "image_count": IMAGES,
        "dropout_key": DROPOUT_KEY,
        "cases": [make_case(case) for case in CASES],
    }
    FILE.write_text(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
