#!/usr/bin/env python3
"""redoubt_benchmark's steps, rounds and evaluations in PyTorch, as its best user would write them:
images normalised and loaded as tensors beforehand, no value read back inside a loop, gradients set
to None, inference mode where nothing is learnt. Prints one JSON object.

    pytorch_step.py WORK... [--threads 1,2] [--seconds 1] [--images 6000]

WORK is a name of redoubt_benchmark without the threads: step/wu-mnist/64, round/wu-mnist/64,
evaluate/wu-mnist/64. Each is run in every variant (number of threads, memory format, and for
evaluation the batch), so that the best can be taken. Exit code 77 without torch.
"""

import argparse
import itertools
import json
import pathlib
import sys
import time

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}", file=sys.stderr)
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "trajectory"))
import pytorch_presets

CLIENTS = 10
LEARNING_RATE, MOMENTUM = 0.01, 0.9
EVALUATION_BATCHES = (64, 250, 1000)
LAYOUTS = {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}

cross_entropy = torch.nn.functional.cross_entropy


class Subject:
    """A preset with random images to train it on."""

    def __init__(self, preset, layout, count):
        torch.manual_seed(1)
        shape, _ = pytorch_presets.PRESETS[preset]
        memory_format = LAYOUTS[layout]
        self.model = pytorch_presets.make_model(preset).to(memory_format=memory_format)
        self.count = count
        self.images = torch.randn(count, *shape).contiguous(memory_format=memory_format)
        self.labels = torch.randint(pytorch_presets.CLASSES, (count,))

    def optimizer(self):
        return torch.optim.SGD(self.model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def train_on(self, indices, optimizer):
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(self.model(self.images[indices]), self.labels[indices])
        loss.backward()
        optimizer.step()


def make_step(subject, batch):
    """One training step on the next batch of a random order."""
    subject.model.train()
    optimizer = subject.optimizer()
    batches = itertools.cycle(torch.randperm(subject.count).split(batch)[:subject.count // batch])
    return lambda: subject.train_on(next(batches), optimizer)


def make_round(subject, batch):
    """A round of federated averaging, one client after another."""
    subject.model.train()
    model = subject.model
    clients = torch.arange(subject.count).reshape(-1, CLIENTS).T.contiguous()
    parameters = list(model.parameters())
    global_parameters = [parameter.detach().clone() for parameter in parameters]

    def run():
        sums = [torch.zeros_like(parameter) for parameter in global_parameters]
        for own in clients:
            with torch.no_grad():
                for parameter, start in zip(parameters, global_parameters):
                    parameter.copy_(start)
            optimizer = subject.optimizer()
            for indices in own[torch.randperm(len(own))].split(batch):
                subject.train_on(indices, optimizer)
            with torch.no_grad():
                for total, parameter in zip(sums, parameters):
                    total.add_(parameter, alpha=len(own) / subject.count)
        for start, total in zip(global_parameters, sums):
            start.copy_(total)

    return run


def make_evaluation(subject, batch):
    """Loss and accuracy over all images."""
    subject.model.eval()

    def run():
        loss = torch.zeros(())
        correct = torch.zeros((), dtype=torch.int64)
        with torch.inference_mode():
            for images, labels in zip(subject.images.split(batch), subject.labels.split(batch)):
                logits = subject.model(images)
                loss += cross_entropy(logits, labels, reduction="sum")
                correct += (logits.argmax(dim=1) == labels).sum()
        return loss.item(), correct.item()

    return run


def measure(run, seconds):
    """Mean seconds of a call, over at least `seconds` after one call to warm up."""
    run()
    calls = 0
    start = time.perf_counter()
    while True:
        run()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / calls


def run_work(work, threads, seconds, images):
    """Each variant's seconds a call: {"1 thread, channels_first": 0.01, ...}."""
    kind, preset, batch = work.split("/")
    found = {}
    for count, layout in itertools.product(threads, LAYOUTS):
        torch.set_num_threads(count)
        name = f"{count} thread{'s' if count > 1 else ''}, {layout}"
        if kind == "evaluate":
            for size in EVALUATION_BATCHES:
                run = make_evaluation(Subject(preset, layout, images), size)
                found[f"{name}, batch {size}"] = measure(run, seconds)
        else:
            make = {"step": make_step, "round": make_round}[kind]
            found[name] = measure(make(Subject(preset, layout, images), int(batch)), seconds)
    return found


def blas():
    """The library that products of matrices go to, as far as the loaded files tell."""
    if torch.backends.mkl.is_available():
        return "MKL"
    with open("/proc/self/maps", encoding="utf-8") as maps:
        # libblas.so.3 may be any of them; LAPACK beside it may come from another.
        files = {line.split()[-1] for line in maps if "libblas.so" in line}
    known = {"openblas": "OpenBLAS", "blis": "BLIS", "atlas": "ATLAS",
             "/blas/libblas": "reference BLAS"}
    for part, name in known.items():
        if any(part in file for file in files):
            return name
    return "unknown BLAS"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="WORK")
    parser.add_argument("--threads", default="1", help="numbers of threads to try, e.g. 1,2")
    parser.add_argument("--seconds", type=float, default=1.0, help="at least, for each variant")
    parser.add_argument("--images", type=int, default=6000, help="to train and evaluate on")
    arguments = parser.parse_args()
    threads = [int(count) for count in arguments.threads.split(",")]
    works = {work: run_work(work, threads, arguments.seconds, arguments.images)
             for work in arguments.works}
    print(json.dumps({"torch": torch.__version__, "blas": blas(), "works": works}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
