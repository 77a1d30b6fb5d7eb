"""Reads safetensors files: an 8-byte little-endian header length, a JSON header, the bytes."""

import json

import numpy as np

from paper import ReportError

TYPES = {"F32": np.dtype("<f4"), "U8": np.dtype("u1")}


def read_tensors(path):
    """The tensors by name, and the metadata. Raises ReportError."""
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        data = memoryview(content)[8 + length :]
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[begin:end], dtype=TYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: no safetensors file: {error}") from error
    return tensors, metadata
