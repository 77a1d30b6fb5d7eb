#!/usr/bin/env python3
"""redoubt_benchmark's cuda/round and cuda/evaluate in PyTorch, as its best users would write them:
data on the device, normalised beforehand; no value read back inside a round; everything that can be
captured captured. Prints a JSON object a line, each with all that is known so far, so that the last
one counts however it ends: seconds of a round by work and variant, one a repeat.

    pytorch_fleet.py [WORK...] [--device cuda] [--repeats 5] [--seconds 0.3]
    pytorch_fleet.py --device cpu --smoke     # tiny, only to see that all variants agree

Variants: one client after another, eager; the same with a client's whole epoch as one CUDA graph; all
clients at once by torch.func.vmap, a whole round as one CUDA graph; that with its step compiled first.
Before anything is measured, one round of every variant (fp64, no dropout) must give the same model and
loss, or the exit code is 1. Exit code 77 without torch, or without the device.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import sys
import time

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}", file=sys.stderr)
    sys.exit(77)
try:
    from torch.func import functional_call, grad_and_value, vmap
    NO_VMAP = None
except ImportError:
    NO_VMAP = f"PyTorch {torch.__version__} has no torch.func; 2.0 or later has"

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "trajectory"))
import pytorch_presets

CLASSES = pytorch_presets.CLASSES
LARGEST_GAP = 1e-10  # of a tensor's and the loss' size, between variants in fp64
EVALUATED = 10000
EVALUATION_BATCH = 1000

cross_entropy = torch.nn.functional.cross_entropy


@dataclasses.dataclass(frozen=True)
class Work:
    network: str
    clients: int  # of a round
    images: int  # of a client
    batch: int
    learning_rate: float
    momentum: float
    all_images: int  # on the device
    first_channels: int = 64  # conv-stack's

    def smoke(self):
        return dataclasses.replace(self, clients=3, images=7, batch=4, all_images=64,
                                   first_channels=4)


WORKS = {
    "round/wu-mnist/64": Work("wu-mnist", 10, 6000, 64, 0.01, 0.9, 60000),
    "round/pfl-cifar/10": Work("pfl-cifar", 50, 50, 10, 0.1, 0.0, 50000),
    "round/conv-stack/64": Work("conv-stack", 50, 128, 64, 0.01, 0.9, 6400),
}


def conv_stack(first_channels):
    """The 3x3 convolutions of ResNet-18 for CIFAR-10, and nothing beside them."""
    layers, inputs = [], 3
    stages = [(first_channels * times, 2 if i == 0 and times > 1 else 1)
              for times in (1, 2, 4, 8) for i in range(4)]
    for channels, stride in [(first_channels, 1), *stages]:
        conv = torch.nn.Conv2d(inputs, channels, 3, stride, padding=1)
        torch.nn.init.kaiming_normal_(conv.weight)  # else nothing comes out of 17 layers
        layers += [conv, torch.nn.ReLU(inplace=True)]
        inputs = channels
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                               torch.nn.Linear(inputs, CLASSES))


class World:
    """A work's data, its network and the global model that rounds start from and end in."""

    def __init__(self, work, device, dropout=True, memory_format=torch.contiguous_format,
                 dtype=torch.float32):
        torch.manual_seed(1)
        self.work, self.device = work, device
        if work.network == "conv-stack":
            model = conv_stack(work.first_channels)
            shape = pytorch_presets.COLOR
        else:
            kind = torch.nn.Dropout if dropout else lambda rate: torch.nn.Identity()
            model = pytorch_presets.make_model(work.network, kind)
            shape = pytorch_presets.input_shape(work.network)
        self.model = model.to(device, dtype, memory_format=memory_format)
        self.images = torch.randn(work.all_images, *shape).to(device, dtype,
                                                              memory_format=memory_format)
        self.labels = torch.randint(CLASSES, (work.all_images,)).to(device)
        self.parameters = list(self.model.parameters())
        self.start = [parameter.detach().clone() for parameter in self.parameters]

    def draw(self):
        """Whose images: [clients, images] on the device, in a fresh order."""
        count = self.work.clients * self.work.images
        return torch.randperm(self.work.all_images, device=self.device)[:count].reshape(
            self.work.clients, -1)


def copy_all(to, tensors):
    if hasattr(torch, "_foreach_copy_"):  # since 2.0
        torch._foreach_copy_(to, tensors)
    else:
        for target, tensor in zip(to, tensors):
            target.copy_(tensor)


def update(parameters, gradients, velocity, work):
    """SGD with momentum on lists of tensors, in as few launches as there can be."""
    if work.momentum:
        torch._foreach_mul_(velocity, work.momentum)
        torch._foreach_add_(velocity, gradients)
        gradients = velocity
    torch._foreach_add_(parameters, gradients, alpha=-work.learning_rate)


class Captured:
    """A function of one tensor as a CUDA graph; on a CPU the function as it is."""

    def __init__(self, run, example):
        self.run, self.graph, self.input = run, None, example.clone()
        if example.device.type != "cuda":
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                run(self.input)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = run(self.input)

    def __call__(self, argument):
        if self.graph is None:
            return self.run(argument)
        self.input.copy_(argument)
        self.graph.replay()
        return self.output


class Eager:
    """One client after another."""

    def __init__(self, world):
        self.world, self.work = world, world.work
        world.model.train()

    def round(self, plan):
        """Trains the clients whose images the plan lists and leaves their mean in world.start.
        Returns the sum of all batches' mean losses."""
        world, work = self.world, self.work
        sums = [torch.zeros_like(start) for start in world.start]
        losses = torch.zeros((), dtype=world.start[0].dtype, device=world.device)
        for own in plan:
            with torch.no_grad():
                copy_all(world.parameters, world.start)
            fused = {"fused": True} if world.device.type == "cuda" else {}
            optimizer = torch.optim.SGD(world.parameters, lr=work.learning_rate,
                                        momentum=work.momentum, **fused)
            for indices in own.split(work.batch):
                optimizer.zero_grad(set_to_none=True)
                loss = cross_entropy(world.model(world.images[indices]), world.labels[indices])
                loss.backward()
                optimizer.step()
                losses += loss.detach()
            with torch.no_grad():
                torch._foreach_add_(sums, world.parameters, alpha=1 / work.clients)
        copy_all(world.start, sums)
        return losses


class Graphs:
    """One client after another, each one's whole epoch one CUDA graph."""

    def __init__(self, world):
        self.world, self.work = world, world.work
        world.model.train()
        self.sums = [torch.zeros_like(start) for start in world.start]
        self.velocity = [torch.zeros_like(start) for start in world.start]
        self.losses = torch.zeros((), dtype=world.start[0].dtype, device=world.device)
        self.client = Captured(self.epoch, world.draw()[0])

    def epoch(self, own):
        world, work = self.world, self.work
        with torch.no_grad():
            copy_all(world.parameters, world.start)
            torch._foreach_zero_(self.velocity)
        for indices in own.split(work.batch):
            loss = cross_entropy(world.model(world.images[indices]), world.labels[indices])
            gradients = torch.autograd.grad(loss, world.parameters)
            with torch.no_grad():
                update(world.parameters, list(gradients), self.velocity, work)
                self.losses += loss.detach()
        with torch.no_grad():
            torch._foreach_add_(self.sums, world.parameters, alpha=1 / work.clients)

    def round(self, plan):
        torch._foreach_zero_(self.sums)
        self.losses.zero_()
        for own in plan:
            self.client(own)
        copy_all(self.world.start, self.sums)
        return self.losses


class Vmap:
    """All clients at once, the whole round one CUDA graph."""

    def __init__(self, world, compiled=False):
        self.world, self.work = world, world.work
        world.model.train()
        self.names = [name for name, _ in world.model.named_parameters()]

        def loss_of(parameters, images, labels):
            named = dict(zip(self.names, parameters))
            return cross_entropy(functional_call(world.model, named, (images,)), labels)

        gradient = vmap(grad_and_value(loss_of), randomness="different")

        def step(parameters, velocity, images, labels):
            gradients, losses = gradient(tuple(parameters), images, labels)
            update(parameters, list(gradients), velocity, self.work)
            return losses.sum()

        self.step = torch.compile(step) if compiled else step
        # A warm-up moves the global model: it is put back.
        kept = [start.clone() for start in world.start]
        self.whole = Captured(self.run, world.draw())
        copy_all(world.start, kept)

    def run(self, plan):
        world, work = self.world, self.work
        with torch.no_grad():
            parameters = [start.expand(work.clients, *start.shape).clone()
                          for start in world.start]
            velocity = [torch.zeros_like(parameter) for parameter in parameters]
            losses = torch.zeros((), dtype=world.start[0].dtype, device=world.device)
            for first in range(0, work.images, work.batch):
                indices = plan[:, first:first + work.batch]
                losses += self.step(parameters, velocity, world.images[indices],
                                    world.labels[indices])
            copy_all(world.start, [own.mean(dim=0) for own in parameters])
        return losses

    def round(self, plan):
        return self.whole(plan)


class Evaluation:
    """Loss and correct answers of the global model over the first EVALUATED images."""

    def __init__(self, world, captured):
        self.world = world
        world.model.eval()
        self.run = Captured(self.all, torch.zeros((), device=world.device)) if captured else None

    def all(self, _):
        world = self.world
        loss = torch.zeros((), device=world.device)
        correct = torch.zeros((), dtype=torch.int64, device=world.device)
        with torch.no_grad():
            for images, labels in zip(world.images[:EVALUATED].split(EVALUATION_BATCH),
                                      world.labels[:EVALUATED].split(EVALUATION_BATCH)):
                logits = world.model(images)
                loss += cross_entropy(logits, labels, reduction="sum")
                correct += (logits.argmax(dim=1) == labels).sum()
        return loss, correct

    def __call__(self):
        loss, correct = self.all(None) if self.run is None else self.run(
            torch.zeros((), device=self.world.device))
        return loss.item(), correct.item()


VARIANTS = {
    "eager": Eager,
    "CUDA graphs": Graphs,
    "vmap, CUDA graphs": Vmap,
    "vmap, compiled, CUDA graphs": lambda world: Vmap(world, compiled=True),
}
LAYOUTS = {"": torch.contiguous_format, ", channels last": torch.channels_last}


def reason_to_skip(variant, arguments):
    if variant.startswith("vmap") and NO_VMAP:
        return NO_VMAP
    if "compiled" in variant and not arguments.compile:
        return "not asked for: --compile"
    return None


def relative_gap(found, expected):
    return (found - expected).abs().max().item() / max(expected.abs().max().item(), 1e-30)


def agree(work, device, arguments):
    """Whether all variants get from one model and plan to the same model and loss."""
    expected = None
    same = True
    small = dataclasses.replace(work, clients=min(work.clients, 4),
                                images=min(work.images, 2 * work.batch + work.batch // 2))
    plan = World(small, device).draw()
    for variant, make in VARIANTS.items():
        if reason_to_skip(variant, arguments):
            continue
        world = World(small, device, dropout=False, dtype=torch.float64)
        before = [start.clone() for start in world.start]
        loss = make(world).round(plan)
        found = [loss.detach().clone()] + [start.clone() for start in world.start]
        if expected is None:
            expected = found
            moved = max(relative_gap(a, b) for a, b in zip(found[1:], before))
            same &= moved > 1e6 * LARGEST_GAP  # or nothing has been compared
            continue
        gap = max(relative_gap(a, b) for a, b in zip(found, expected))
        print(f"{work.network}: {variant} differs from eager by {gap:.1e}, which moved by "
              f"{moved:.1e}", file=sys.stderr)
        same &= gap <= LARGEST_GAP
    return same


def measure(run, device, arguments):
    """Seconds of a call: one number a repeat, each the mean over at least `seconds`."""
    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    run()
    found = []
    for _ in range(arguments.repeats):
        wait()
        calls, start = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - start < arguments.seconds:
            run()
            wait()
            calls += 1
        found.append((time.perf_counter() - start) / calls)
    return found


def measure_work(work, device, arguments, found, tell):
    """Puts seconds of a round in every variant and memory layout into `found`."""
    for variant, make in VARIANTS.items():
        if reason_to_skip(variant, arguments):
            continue
        for suffix, layout in LAYOUTS.items():
            if suffix and (variant.startswith("vmap") or device.type != "cuda"):
                continue
            world = World(work, device, memory_format=layout)
            own = make(world)
            found[variant + suffix] = measure(lambda: own.round(world.draw()), device, arguments)
            del own, world
            tell()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; all")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="at least, for each repeat")
    parser.add_argument("--compile", action="store_true",
                        help="also torch.compile, which takes minutes and a compiler")
    parser.add_argument("--skip-check", action="store_true", help="that variants agree, once seen")
    parser.add_argument("--smoke", action="store_true", help="tiny: only that it runs and agrees")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("skipped: PyTorch finds no GPU", file=sys.stderr)
        return 77
    if arguments.smoke:
        arguments.repeats, arguments.seconds = 1, 0
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    skipped = {variant: reason_to_skip(variant, arguments) for variant in VARIANTS}
    skipped = {variant: reason for variant, reason in skipped.items() if reason}
    for variant, reason in skipped.items():
        print(f"skipped: {variant}: {reason}", file=sys.stderr)

    works = collections.OrderedDict()
    about = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"

    def tell():
        print(json.dumps({"torch": torch.__version__, "device": about, "precision": "tf32",
                          "skipped": skipped, "works": works}), flush=True)

    for name in arguments.works or WORKS:
        if name not in WORKS:
            parser.error(f"unknown work {name}; there are {', '.join(WORKS)}")
        work = WORKS[name].smoke() if arguments.smoke else WORKS[name]
        if not arguments.skip_check and not agree(work, device, arguments):
            print(f"{name}: the variants do not compute the same", file=sys.stderr)
            return 1
        works[name] = {}
        measure_work(work, device, arguments, works[name], tell)
        if work.network == "conv-stack":
            continue
        world = World(work, device)
        works[name.replace("round", "evaluate")] = {
            "eager": measure(Evaluation(world, False), device, arguments),
            "CUDA graphs": measure(Evaluation(world, True), device, arguments)}
        tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
