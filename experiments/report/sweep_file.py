"""What a sweep's folder says of the whole sweep: axes and places from the copy of its file, and the
keys that were set on the command line."""

import json

import file_names
from paper import ReportError


def places_by_axis(sweep):
    """Axis -> the names of its places, of a file whose scalars are texts; None where the `sweep`
    block cannot be understood, as in a folder whose file somebody has changed."""
    block = sweep.get("sweep")
    if not isinstance(block, dict):
        return None
    axes = {}
    for axis, places in block.items():
        if not isinstance(places, (list, dict)) or not all(isinstance(p, str) for p in places):
            return None
        axes[axis] = list(dict.fromkeys(places))
    return axes


def whole_axes(axes, results, declared):
    """Axis -> places, in the file's order: those of the file, and those of results that a file that
    has been changed since does not have. Without a file, or with one of other axes, those of the
    results are all."""
    if declared is None or list(declared) != list(axes):
        declared = {axis: [] for axis in axes}
    return {axis: list(dict.fromkeys([*declared[axis], *results[axis]])) for axis in axes}


def read_overrides(folder):
    """The `key=value` of every --set that the sweep was run with."""
    path = folder / file_names.OVERRIDES
    if not path.is_file():
        return []
    try:
        overrides = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: no JSON: {error}") from error
    if not isinstance(overrides, list) or not all(isinstance(o, str) for o in overrides):
        raise ReportError(f"{path}: must be a list of texts, each key=value")
    return overrides
