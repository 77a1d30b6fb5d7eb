"""Trains one client with the program as a user would, in file order and from a model file that
PyTorch could have written, and the same model with PyTorch; both end with the same loss and model.

Skipped (exit code 77) where PyTorch cannot be imported.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "experiments"))
from pytorch_test import read_safetensors, write_safetensors  # exits with 77 without torch
from program import ProgramTest, metrics, write_split

import torch

import hashed_data
import pytorch_presets

PRESET = "wu-fashion"
TRAIN, TEST, BATCH = 315, 20, 32  # the last batch is smaller
OPTIMIZER = {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001}
LARGEST_GAP = 1e-5


def train_with_pytorch(model, images, labels):
    """One epoch in file order; returns the mean loss over images."""
    optimizer = torch.optim.SGD(model.parameters(), lr=OPTIMIZER["lr"],
                                momentum=OPTIMIZER["momentum"],
                                weight_decay=OPTIMIZER["weight_decay"])
    total = 0.0
    for batch, answers in zip(images.split(BATCH), labels.split(BATCH)):
        loss = torch.nn.functional.cross_entropy(model(batch), answers)
        total += loss.item() * len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return total / len(images)


class ProgramTrajectoryTest(ProgramTest):
    def experiment(self, initial):
        return {
            "name": "trajectory",
            "device": "cpu",
            "data": {"dataset": "mnist", "directory": str(self.folder), "validation_samples": 0,
                     "normalize": {"mean": [0.5], "std": [0.25]}, "shuffle": False,
                     "partition": "iid"},
            "model": {"preset": PRESET, "initial": str(initial)},
            "federation": {"clients": 1, "rounds": 1,
                           "local": {"epochs": 1, "batch": BATCH, "optimizer": OPTIMIZER}},
        }

    def test_one_epoch_is_that_of_pytorch(self):
        shape, _ = pytorch_presets.PRESETS[PRESET]
        images = hashed_data.make_images(TRAIN + TEST, shape)
        labels = hashed_data.make_labels(TRAIN + TEST)
        for prefix, part in (("train", slice(0, TRAIN)), ("t10k", slice(TRAIN, None))):
            write_split(self.folder, prefix, [image.tobytes() for image in images[part]],
                        labels[part].tolist())
        model = pytorch_presets.make_model(PRESET)
        shapes = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
        weights = {name: torch.from_numpy(values)
                   for name, values in hashed_data.make_weights(shapes).items()}
        initial = self.folder / "initial.safetensors"
        write_safetensors(initial, weights)
        run = self.run_to_end(self.write_experiment(self.experiment(initial)))

        # In double, as in make_trajectories.py: PyTorch's own rounding is no part of the gap.
        model.load_state_dict(weights)
        model.double()
        inputs = torch.from_numpy(hashed_data.normalized(images[:TRAIN])).double()
        loss = train_with_pytorch(model, inputs, torch.from_numpy(labels[:TRAIN]))
        self.assertAlmostEqual(metrics(run)[0]["training_loss"], loss, delta=LARGEST_GAP * loss)
        trained = read_safetensors(run / "model.safetensors")
        self.assertEqual(set(trained), set(weights))
        for name, value in model.state_dict().items():
            moved = (value - weights[name]).abs().max().item()
            gap = (trained[name] - value).abs().max().item()
            self.assertGreater(moved, 100 * LARGEST_GAP, name)
            self.assertLess(gap, LARGEST_GAP * value.abs().max().item(), name)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
