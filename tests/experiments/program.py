"""What tests of the command line share: a small MNIST, experiment files, calls of the program."""

import json
import os
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import unittest

PROGRAM = os.environ.get("REDOUBT", "redoubt")
SIDE = 28
RUN_FILES = [
    "checkpoint",
    "examples.safetensors",
    "experiment.yaml",
    "metrics.jsonl",
    "model.safetensors",
    "run.log",
    "summary.json",
]


def image(label, rng):
    """Ten classes: a bright block in one of ten places, on noise."""
    pixels = bytearray(rng.randrange(60) for _ in range(SIDE * SIDE))
    top, left = 4 + label // 5 * 12, 1 + label % 5 * 5
    top, left = top + rng.randrange(-1, 2), left + rng.randrange(-1, 2)
    for row in range(top, top + 5):
        for column in range(left, left + 5):
            pixels[row * SIDE + column] = 150 + rng.randrange(80)
    return bytes(pixels)


def idx_images(images):
    return struct.pack(">IIII", 0x803, len(images), SIDE, SIDE) + b"".join(images)


def idx_labels(labels):
    return struct.pack(">II", 0x801, len(labels)) + bytes(labels)


def write_split(folder, prefix, images, labels):
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx_images(images))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_labels(labels))


def write_small_mnist(folder, train=400, test=100, seed=1):
    """The four files of MNIST with a few hundred easy images, labels 0 to 9 in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = [i % 10 for i in range(count)]
        write_split(folder, prefix, [image(label, rng) for label in labels], labels)


def small_experiment(data_folder, **changes):
    """An experiment of a second, as a dictionary; `changes` replace its top-level keys."""
    experiment = {
        "name": "small",
        "seed": 3,
        "data": {
            "dataset": "mnist",
            "directory": str(data_folder),
            "validation_samples": 40,
            "partition": {"kind": "k-label", "labels": 3},
        },
        "model": {
            "layers": [
                {"conv": {"channels": 6, "kernel": 5}},
                "relu",
                {"max_pool": 2},
                {"conv": {"channels": 8, "kernel": 3}},
                "relu",
                {"max_pool": 2},
                {"dropout": 0.1},
                {"dense": 10},
            ]
        },
        "federation": {
            "clients": 5,
            "rounds": 6,
            "local": {"batch": 8, "optimizer": {"kind": "sgd", "lr": 0.05, "momentum": 0.5}},
        },
        "attack": {
            "clients": 1,
            "trigger": {"pixels": 3, "row": 24, "column": 24},
            "victim": 9,
            "target": 1,
            "scale": 2,
        },
        "defense": {
            "after_training": [
                {"prune": {"vote": "ranking", "stop": {"accuracy_drop": 0.05}}},
                {"fine_tune": {"rounds": 4, "lr": 0.02}},
                {
                    "adjust_weights": {
                        "from": 4,
                        "to": 1,
                        "step": 0.5,
                        "stop": {"accuracy_drop": 0.05},
                    }
                },
            ]
        },
        "output": {"checkpoint_every": 1},
    }
    experiment.update(changes)
    return experiment


class ProgramTest(unittest.TestCase):
    """A folder of its own for each test, with a small MNIST shared by the tests of a class."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="redoubt-test-")
        cls.addClassCleanup(holder.cleanup)
        cls.data_folder = pathlib.Path(holder.name) / "mnist"
        write_small_mnist(cls.data_folder)

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="redoubt-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.output = self.folder / "runs"

    def write_experiment(self, experiment=None, name="experiment.yaml"):
        """JSON is YAML, too."""
        path = self.folder / name
        path.write_text(json.dumps(experiment or small_experiment(self.data_folder), indent=1))
        return path

    def call(self, *arguments, environment=None):
        return subprocess.run(
            [PROGRAM, *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=dict(os.environ, **(environment or {})),
        )

    def start(self, *arguments, **options):
        """A run to be interrupted; nothing of it is shown."""
        return subprocess.Popen(
            [PROGRAM, *map(str, arguments)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **options,
        )

    def succeed(self, *arguments):
        result = self.call(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        # Experiments as small as these are warned of for being small.
        small = re.compile("warning: (data.partition: clients hold|attack: client [0-9]+ can poison only|.*one "
                           "standard error|after .* the model calls nearly all)|redoubt: checked without")
        told = result.stderr.splitlines()
        self.assertEqual([line for line in told if not small.match(line)], [])
        return result.stdout

    def fail_with(self, expected, *arguments, environment=None):
        """Exit code 2 and one line on standard error that holds every text of `expected`."""
        result = self.call(*arguments, environment=environment)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("redoubt: "), result.stderr)
        for text in [expected] if isinstance(expected, str) else expected:
            self.assertIn(text, result.stderr)
        return result

    def run_to_end(self, file, *arguments, output=None):
        """Runs an experiment file and returns the folder it leaves."""
        output = output or self.output
        self.succeed("run", file, "--output", output, *arguments)
        folders = list(output.iterdir())
        self.assertEqual(len(folders), 1)
        return folders[0]

    def assert_same_results(self, folder, expected):
        for name in ("metrics.jsonl", "model.safetensors"):
            self.assertEqual(
                (folder / name).read_bytes(),
                (expected / name).read_bytes(),
                f"{name} of {folder} differs from {expected}",
            )


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
