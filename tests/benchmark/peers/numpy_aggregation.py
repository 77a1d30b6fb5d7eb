#!/usr/bin/env python3
"""Aggregation of many updates as a numpy user writes it, to set beside redoubt_benchmark's
aggregate/*: seconds of processor time a rule, the best of three.

    numpy_aggregation.py [--clients 100] [--parameters 11173962] [--rules median ariba]
"""

import argparse
import time

import numpy


def krum(updates, malicious):
    gram = updates @ updates.T
    squares = numpy.diag(gram)
    distances = squares[:, None] + squares[None, :] - 2 * gram
    nearest = numpy.sort(distances, axis=1)[:, 1 : len(updates) - malicious - 1]
    return updates[nearest.sum(axis=1).argmin()]


def in_blocks(updates, reduce, block=65536):
    """Column rules, so many columns at a time: a sort of all at once would take twice the memory."""
    return numpy.concatenate(
        [reduce(updates[:, i : i + block]) for i in range(0, updates.shape[1], block)]
    )


def trimmed_mean(updates, trim):
    return in_blocks(updates, lambda u: numpy.sort(u, axis=0)[trim : len(updates) - trim].mean(axis=0))


def median(updates):
    return in_blocks(updates, lambda u: numpy.median(u, axis=0))


def geometric_median(updates, iterations=10):
    weights = numpy.full(len(updates), 1 / len(updates), numpy.float32)
    for _ in range(iterations):
        centre = weights @ updates
        distances = numpy.array([numpy.linalg.norm(row - centre) for row in updates])
        weights = (1 / numpy.maximum(1e-6, distances)).astype(numpy.float32)
        weights /= weights.sum()
    return weights @ updates


def ariba(updates, suspects, numbers=147456, kernel=9):
    """Algorithm 2 on the kernels of one layer, of the size of ResNet-18's middle one."""
    layer = updates[:, :numbers]
    fragments = (layer - layer.mean(axis=0, dtype=numpy.float64)).reshape(-1, kernel)
    centred = fragments - fragments.mean(axis=0)
    inverse = numpy.linalg.inv(centred.T @ centred / len(centred))
    distances = ((centred @ inverse) * centred).sum(axis=1)
    per_client = numbers // kernel
    marked = numpy.argpartition(distances, -suspects * per_client)[-suspects * per_client :]
    scores = numpy.bincount(marked // per_client, minlength=len(updates))
    return numpy.argsort(scores)[-suspects:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--parameters", type=int, default=11173962)
    parser.add_argument("--rules", nargs="*", help="only these")
    arguments = parser.parse_args()
    random = numpy.random.default_rng(1)
    updates = random.random((arguments.clients, arguments.parameters), numpy.float32)
    rules = {
        "read": lambda: updates.sum(dtype=numpy.float32),
        "krum": lambda: krum(updates, 10),
        "trimmed-mean": lambda: trimmed_mean(updates, 10),
        "median": lambda: median(updates),
        "geometric-median": lambda: geometric_median(updates),
        "ariba": lambda: ariba(updates, 20),
    }
    for name, rule in rules.items():
        if arguments.rules and name not in arguments.rules:
            continue
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            rule()
            best = min(best, time.process_time() - start)
        print(f"{name:18} {best:8.3f} s", flush=True)


if __name__ == "__main__":
    main()
