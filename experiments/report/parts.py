"""Spreads many points over several figures, so that each can be read."""

import itertools
import math

from average import SEPARATOR
from figure import Figure

MOST_PANELS = 9


def label_parts(point):
    return point[0].split(SEPARATOR)


def grouped(points, depth):
    """Points, each a tuple that starts with its label, by the first `depth` parts of the label."""
    groups = itertools.groupby(points, key=lambda point: label_parts(point)[:depth])
    return [list(group) for _, group in groups]


def packed(groups, most):
    """Neighbouring groups together, as many in each part as fit, and about the same in all."""
    fitting = max(1, most // max(map(len, groups)))
    count = math.ceil(len(groups) / fitting)
    each = math.ceil(len(groups) / count)
    return [list(itertools.chain(*groups[i : i + each])) for i in range(0, len(groups), each)]


def parts_of(points, most, depth=1):
    """Parts of at most `most` points. What stands at one place of the first axis stays together if
    it fits, else what stands at one place of the first two, and so on."""
    if len(points) <= most:
        return [points]
    groups = grouped(points, depth)
    if max(map(len, groups)) <= most:
        return packed(groups, most)
    if depth > max(len(label_parts(point)) for point in points):  # labels do not tell them apart
        return packed([[point] for point in points], most)
    return [part for group in groups for part in parts_of(group, most, depth + 1)]


def columns_of(points):
    """A row of panels is what stands at one place of the first axis, if that is a row's length."""
    sizes = {len(group) for group in grouped(points, 1)}
    if sizes in ({2}, {4}):
        return sizes.pop()
    return 2 if len(points) == 4 else 3


def in_parts(kind, caption, points, draw, most=MOST_PANELS):
    """A figure, or several with at most so many points each, which say what they hold."""
    parts = parts_of(points, most)
    figures = []
    for i, part in enumerate(parts, start=1):
        name, text = kind, caption
        if len(parts) > 1:
            firsts = list(dict.fromkeys(label_parts(point)[0] for point in part))
            held = f": {', '.join(firsts)}" if all(firsts) else ""
            name, text = f"{kind}-{i}", f"{caption} Part {i} of {len(parts)}{held}."
        figures.append(Figure(name, text, lambda layout, part=part: draw(layout, part)))
    return figures
