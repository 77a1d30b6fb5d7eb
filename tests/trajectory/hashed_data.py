"""Weights and images that any language can make again, so that no file has to hold them.

All comes from one function of two 32-bit numbers (all arithmetic modulo 2^32):
    mix(x):  x ^= x >> 16;  x *= 0x85ebca6b;  x ^= x >> 13;  x *= 0xc2b2ae35;  x ^= x >> 16
    hashed(stream, i) = mix(i * 0x9e3779b9 + mix(stream))
mix is the finalizer of MurmurHash3 (Appleby). The streams:
    1      a byte a class, channel, row, column: hashed >> 24, the class's pattern
    2      a byte an image, channel, row, column: hashed >> 24, the image's noise
    3      an image's label: hashed % 10
    100+t  parameter tensor t of a model, in PyTorch's order
image byte = (3 * pattern of its label + noise) / 4, rounded down.
weight = float32((hashed / 2^31 - 1) / sqrt(fan_in)), a bias with the fan_in of its layer.
"""

import numpy

MASK = numpy.uint64(0xFFFFFFFF)
CLASSES = 10


def mix(x):
    x = numpy.asarray(x, dtype=numpy.uint64)
    x = x ^ (x >> numpy.uint64(16))
    x = (x * numpy.uint64(0x85EBCA6B)) & MASK
    x = x ^ (x >> numpy.uint64(13))
    x = (x * numpy.uint64(0xC2B2AE35)) & MASK
    return x ^ (x >> numpy.uint64(16))


def hashed(stream, count):
    """Numbers 0 to count - 1 of a stream."""
    i = numpy.arange(count, dtype=numpy.uint64)
    return mix((i * numpy.uint64(0x9E3779B9) + mix(stream)) & MASK)


def make_labels(count):
    return (hashed(3, count) % numpy.uint64(CLASSES)).astype(numpy.int64)


def make_images(count, shape):
    """uint8 [count][C][H][W]."""
    size = int(numpy.prod(shape))
    pattern = (hashed(1, CLASSES * size) >> numpy.uint64(24)).reshape(CLASSES, size)
    noise = (hashed(2, count * size) >> numpy.uint64(24)).reshape(count, size)
    mixed = (3 * pattern[make_labels(count)] + noise) // 4
    return mixed.astype(numpy.uint8).reshape(count, *shape)


def normalized(images, mean=0.5, deviation=0.25):
    """float32, as redoubt's gather rounds it."""
    return ((images / 255.0 - mean) / deviation).astype(numpy.float32)


def make_weights(shapes):
    """float32 arrays for [(name, shape)] in PyTorch's order: each layer's weight, then its bias."""
    weights = {}
    fan_in = None
    for tensor, (name, shape) in enumerate(shapes):
        if len(shape) > 1:
            fan_in = int(numpy.prod(shape[1:]))
        numbers = hashed(100 + tensor, int(numpy.prod(shape))).astype(numpy.float64)
        weights[name] = ((numbers / 2.0**31 - 1) / numpy.sqrt(fan_in)).astype(
            numpy.float32).reshape(shape)
    return weights
