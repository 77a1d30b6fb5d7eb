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


class Block(torch.nn.Module):
    """He et al. 2016, the block of two 3x3 convolutions, as code for CIFAR-10 usually has it."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(outputs)
        self.conv2 = torch.nn.Conv2d(outputs, outputs, 3, 1, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(outputs)
        self.shortcut = torch.nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                torch.nn.BatchNorm2d(outputs))

    def forward(self, x):
        inner = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ResNet(torch.nn.Module):
    def __init__(self, channels, blocks):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(channels)
        inputs = channels
        self.stages = len(blocks)
        for stage, count in enumerate(blocks):
            layer = []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                layer.append(Block(inputs, channels, stride))
                inputs = channels
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*layer))
            channels *= 2
        self.linear = torch.nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.linear(x.mean(dim=(2, 3)))


RESNETS = {"resnet18": (64, (2, 2, 2, 2)), "resnet8": (16, (1, 1, 1))}


def input_shape(preset):
    return COLOR if preset in RESNETS else PRESETS[preset][0]


def make_model(preset, dropout=torch.nn.Dropout):
    """The preset as a module whose tensors are named as redoubt names them: conv1.weight, fc1.bias.

    dropout: called with the rate for each dropout layer, in order.
    """
    if preset in RESNETS:
        return ResNet(*RESNETS[preset])
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
    return [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)][-1]
