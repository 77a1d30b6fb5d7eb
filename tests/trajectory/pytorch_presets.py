"""The presets of engine/presets.cpp as PyTorch modules, written down a second time on purpose: the
trajectory test and the benchmark's peer both start from this page, not from redoubt's."""

from collections import OrderedDict

import torch

GRAY = (1, 28, 28)
COLOR = (3, 32, 32)
CLASSES = 10

# Layers: ("conv", channels, kernel, padding), "relu", ("pool", window), ("dropout", rate),
# ("dense", units).
PRESETS = {
    "pfl-cifar": (COLOR, [("conv", 32, 3, 0), "relu", ("conv", 64, 3, 0), "relu", ("pool", 2),
                          ("dropout", 0.25), ("dense", 128), "relu", ("dropout", 0.5),
                          ("dense", 10)]),
    "toy4": (GRAY, [("conv", 16, 3, 0), "relu", ("pool", 2), ("conv", 32, 3, 0), "relu",
                    ("pool", 2), ("dense", 64), "relu", ("dense", 10)]),
    "wu-mnist": (GRAY, [("conv", 20, 5, 0), "relu", ("pool", 2), ("conv", 50, 5, 0), "relu",
                        ("pool", 2), ("dense", 500), "relu", ("dense", 10)]),
    "wu-mnist-small": (GRAY, [("conv", 8, 5, 0), "relu", ("pool", 2), ("conv", 16, 5, 0), "relu",
                              ("pool", 2), ("dense", 500), "relu", ("dense", 10)]),
    "wu-fashion": (GRAY, [("conv", 16, 3, 0), "relu", ("pool", 2), ("conv", 32, 3, 0), "relu",
                          ("pool", 2), ("conv", 64, 3, 0), "relu", ("pool", 2), ("dense", 128),
                          "relu", ("dense", 10)]),
    "wu-cifar": (COLOR, [("conv", 32, 3, 1), "relu", ("conv", 32, 3, 1), "relu", ("pool", 2),
                         ("conv", 64, 3, 1), "relu", ("conv", 64, 3, 1), "relu", ("pool", 2),
                         ("dense", 256), "relu", ("dense", 128), "relu", ("dense", 10)]),
}


def make_model(preset, dropout=torch.nn.Dropout):
    """The preset as a module whose tensors are named as redoubt names them: conv1.weight, fc1.bias.

    dropout: called with the rate for each dropout layer, in order.
    """
    shape, layers = PRESETS[preset]
    channels, height, width = shape
    modules = OrderedDict()
    convs = denses = 0
    features = None
    for place, layer in enumerate(layers):
        kind = layer if isinstance(layer, str) else layer[0]
        if kind == "conv":
            _, outputs, kernel, padding = layer
            convs += 1
            modules[f"conv{convs}"] = torch.nn.Conv2d(channels, outputs, kernel, padding=padding)
            channels = outputs
            height += 2 * padding - kernel + 1
            width += 2 * padding - kernel + 1
        elif kind == "relu":
            modules[f"relu_{place}"] = torch.nn.ReLU(inplace=True)
        elif kind == "pool":
            modules[f"pool_{place}"] = torch.nn.MaxPool2d(layer[1])
            height //= layer[1]
            width //= layer[1]
        elif kind == "dropout":
            modules[f"dropout_{place}"] = dropout(layer[1])
        else:
            if features is None:
                features = channels * height * width
                modules["flatten"] = torch.nn.Flatten()
            denses += 1
            modules[f"fc{denses}"] = torch.nn.Linear(features, layer[1])
            features = layer[1]
    return torch.nn.Sequential(modules)


def last_conv(model):
    """The last convolution of a model."""
    return [module for module in model if isinstance(module, torch.nn.Conv2d)][-1]
