"""Model files both ways: what redoubt saves, PyTorch reads to the same outputs; and the reverse.

Skipped (exit code 77) where PyTorch cannot be imported.
"""

import json
import random
import struct
import sys
import unittest

try:
    import numpy
    import torch
    from torch import nn
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

from program import SIDE, ProgramTest, image, small_experiment, write_split

torch.set_num_threads(1)
MEAN, DEVIATION = 0.25, 0.4
# The presets by PyTorch's own means; layers of one kind are numbered from 1, as redoubt names them.
PRESETS = {
    "toy4": "conv16x3 relu pool2 conv32x3 relu pool2 fc64 relu fc10",
    "wu-mnist": "conv20x5 relu pool2 conv50x5 relu pool2 fc500 relu fc10",
    "wu-mnist-small": "conv8x5 relu pool2 conv16x5 relu pool2 fc500 relu fc10",
    "wu-fashion": "conv16x3 relu pool2 conv32x3 relu pool2 conv64x3 relu pool2 fc128 relu fc10",
    "wu-cifar": "conv32x3p1 relu conv32x3p1 relu pool2 conv64x3p1 relu conv64x3p1 relu pool2 "
    "fc256 relu fc128 relu fc10",
    "pfl-cifar": "conv32x3 relu conv64x3 relu pool2 drop0.25 fc128 relu drop0.5 fc10",
}


class Model(nn.Module):
    """A chain of layers for gray images, from words as in PRESETS."""

    def __init__(self, words):
        super().__init__()
        self.chain = []
        counts = {"conv": 0, "fc": 0}
        x = torch.zeros(1, 1, SIDE, SIDE)
        for word in words.split():
            if word.startswith("conv"):
                channels, kernel = word[4:].split("x")
                kernel, _, padding = kernel.partition("p")
                layer = nn.Conv2d(x.shape[1], int(channels), int(kernel), padding=int(padding or 0))
                kind = "conv"
            elif word.startswith("fc"):
                self.chain.append(nn.Flatten())
                x = x.flatten(1)
                layer, kind = nn.Linear(x.shape[1], int(word[2:])), "fc"
            else:
                kind = None
                layer = {
                    "relu": nn.ReLU,
                    "pool": lambda: nn.MaxPool2d(int(word[4:])),
                    "drop": lambda: nn.Dropout(float(word[4:])),
                }[word[:4]]()
            if kind:
                counts[kind] += 1
                self.add_module(f"{kind}{counts[kind]}", layer)
            self.chain.append(layer)
            x = layer.eval()(x)
        self.eval()

    def forward(self, x):
        for layer in self.chain:
            x = layer(x)
        return x


def read_safetensors(path):
    """The format by hand: 8 bytes of length, a JSON header, the tensors' bytes."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(content[8 + length + begin : 8 + length + end], dtype="<f4")
        tensors[name] = torch.from_numpy(values.copy()).reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        blob = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(blob)],
        }
        data += blob
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def as_tensor(images):
    bytes_ = numpy.frombuffer(b"".join(images), dtype=numpy.uint8).reshape(-1, 1, SIDE, SIDE)
    return (torch.from_numpy(bytes_.astype(numpy.float32)) / 255 - MEAN) / DEVIATION


class PyTorchTest(ProgramTest):
    def experiment(self, model, **data):
        experiment = small_experiment(self.data_folder, model=model)
        experiment["data"].update(normalize={"mean": [MEAN], "std": [DEVIATION]}, **data)
        return experiment

    def held_out_images(self, count=60):
        rng = random.Random(17)
        return [image(i % 10, rng) for i in range(count)], [i % 10 for i in range(count)]

    def write_test_data(self, folder, images, labels):
        folder.mkdir(exist_ok=True)
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            (folder / name).write_bytes((self.data_folder / name).read_bytes())
        write_split(folder, "t10k", images, labels)
        return str(folder)

    def evaluate(self, model, experiment):
        return json.loads(
            self.succeed("evaluate", model, self.write_experiment(experiment, "evaluate.yaml"))
        )

    def compare_measures(self, module, path, experiment):
        """Accuracy, loss and attack success rate on the same images, one stamped by hand."""
        images, labels = self.held_out_images()
        experiment["data"]["directory"] = self.write_test_data(
            self.folder / "measured", images, labels
        )
        ours = self.evaluate(path, experiment)
        trigger = experiment["attack"]["trigger"]
        stamped = []
        for pixels, label in zip(images, labels):
            if label == experiment["attack"]["victim"]:
                pixels = bytearray(pixels)
                for step in (-1, 0, 1):  # three pixels: a diagonal
                    pixels[(trigger["row"] + step) * SIDE + trigger["column"] + step] = 255
                stamped.append(bytes(pixels))
        with torch.no_grad():
            logits = module(as_tensor(images))
            success = (
                (module(as_tensor(stamped)).argmax(1) == experiment["attack"]["target"])
                .double()
                .mean()
            )
        answers = torch.tensor(labels)
        self.assertAlmostEqual(
            ours["accuracy"], (logits.argmax(1) == answers).double().mean().item(), 12
        )
        loss = nn.functional.cross_entropy(logits.double(), answers).item()
        self.assertAlmostEqual(ours["loss"], loss, delta=1e-5 * max(1, loss))
        self.assertAlmostEqual(ours["attack_success_rate"], success.item(), 12)

    def compare_outputs(self, module, path, experiment, count=2):
        """All ten log probabilities of an image: the losses of test splits of it alone."""
        images, _ = self.held_out_images()
        experiment["attack"] = None
        for pixels in images[3 : 3 + count]:
            with torch.no_grad():
                expected = nn.functional.log_softmax(module(as_tensor([pixels])).double(), 1)[0]
            for label in range(10):
                experiment["data"]["directory"] = self.write_test_data(
                    self.folder / "single", [pixels], [label]
                )
                ours = -self.evaluate(path, experiment)["loss"]
                self.assertAlmostEqual(
                    ours, expected[label].item(), delta=1e-4 * max(1, -expected[label].item())
                )

    def test_reads_what_redoubt_trained(self):
        words = "conv6x5 relu pool2 conv8x3 relu pool2 drop0.1 fc10"
        layers = small_experiment(self.data_folder)["model"]
        experiment = self.experiment(layers)
        folder = self.run_to_end(self.write_experiment(experiment))
        module = Model(words)
        path = folder / "model.safetensors"
        module.load_state_dict(read_safetensors(path), strict=True)
        # The stages pruned channels: their weights are 0 in the file, so PyTorch needs no mask.
        pruned = json.loads((folder / "metrics.jsonl").read_text().splitlines()[6])[
            "pruned_channels"
        ]
        self.assertEqual((module.conv2.weight.flatten(1).abs().sum(1) == 0).sum().item(), pruned)
        self.assertGreater(pruned, 0)
        self.compare_measures(module, path, experiment)
        self.compare_outputs(module, path, experiment)

    def test_presets_start_from_what_pytorch_made(self):
        for seed, (preset, words) in enumerate(PRESETS.items()):
            with self.subTest(preset=preset):
                torch.manual_seed(seed)
                module = Model(words)
                path = self.folder / f"{preset}.safetensors"
                write_safetensors(path, dict(module.state_dict()))
                experiment = self.experiment(preset)
                self.compare_measures(module, path, experiment)
                self.compare_outputs(module, path, experiment, count=1)

    def test_a_run_of_no_rounds_returns_the_initial_file(self):
        torch.manual_seed(5)
        module = Model(PRESETS["wu-mnist-small"])
        initial = self.folder / "initial.safetensors"
        write_safetensors(initial, dict(module.state_dict()))
        experiment = self.experiment({"preset": "wu-mnist-small", "initial": str(initial)})
        experiment.update(defense={})
        experiment["federation"]["rounds"] = 0
        saved = read_safetensors(
            self.run_to_end(self.write_experiment(experiment)) / "model.safetensors"
        )
        self.assertEqual(list(saved), list(module.state_dict()))
        for name, tensor in module.state_dict().items():
            self.assertTrue(torch.equal(saved[name], tensor), name)

    def test_one_client_in_file_order_trains_as_pytorch_does(self):
        """SGD with momentum over a client's images in file order, from the same start."""
        torch.manual_seed(6)
        words = "conv6x5 relu pool2 conv8x3 relu pool2 fc10"
        module = Model(words)
        initial = self.folder / "initial.safetensors"
        write_safetensors(initial, dict(module.state_dict()))
        layers = [
            layer for layer in small_experiment("")["model"]["layers"] if layer != {"dropout": 0.1}
        ]
        experiment = self.experiment(
            {"layers": layers, "initial": str(initial)},
            shuffle=False,
            validation_samples=0,
            partition="iid",
        )
        experiment.update(attack=None, defense={})
        experiment["federation"] = {
            "clients": 1,
            "rounds": 2,
            "local": {
                "batch": 24,
                "optimizer": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 0.001},
            },
        }
        saved = read_safetensors(
            self.run_to_end(self.write_experiment(experiment)) / "model.safetensors"
        )

        content = (self.data_folder / "train-images-idx3-ubyte").read_bytes()[16:]
        inputs = as_tensor([content])
        labels = torch.tensor(list((self.data_folder / "train-labels-idx1-ubyte").read_bytes()[8:]))
        for _ in range(2):
            # Optimizers start afresh in each round.
            optimizer = torch.optim.SGD(
                module.parameters(), lr=0.02, momentum=0.9, weight_decay=0.001
            )
            for x, y in zip(
                inputs.split(24), labels.split(24)
            ):  # 400 = 16 · 24 + 16: the last batch is smaller
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(x), y).backward()
                optimizer.step()
        for name, tensor in module.state_dict().items():
            difference = (saved[name] - tensor).abs().max().item()
            self.assertLess(difference, 2e-6 + 1e-5 * tensor.abs().max().item(), name)


if __name__ == "__main__":
    unittest.main()
