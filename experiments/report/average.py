"""Means and deviations over repetitions, and what tells the points of a study apart."""

import math
from dataclasses import dataclass

import pandas as pd

from stages import kind_of, without_pipeline
from vocabulary import is_share, label

STAGE_NAMES = {
    "training": "training",
    "prune": "pruning",
    "fine_tune": "fine-tuning",
    "adjust_weights": "adjusting weights",
    "limit_inputs": "limiting inputs",
}


SEPARATOR = " · "  # between a label's parts


@dataclass(frozen=True)
class Average:
    """`deviation` is that of a sample, None with one repetition."""

    mean: float
    deviation: float
    count: int


def average_of(values):
    """The Average of numbers, None without any."""
    values = [float(value) for value in values if value is not None and not math.isnan(value)]
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Average(mean, None, 1)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Average(mean, math.sqrt(squares / (len(values) - 1)), len(values))


def average(rows, metric, repeated):
    """The average of a metric over the repetitions; within one, rows are averaged first. Without an
    axis of repetitions all rows together are one."""
    if metric not in rows.columns:
        return None
    # An axis may have the metric's name; its places are texts.
    known = rows.assign(**{metric: pd.to_numeric(rows[metric], errors="coerce")})
    known = known.dropna(subset=[metric])
    if known.empty:
        return None
    if repeated is None:
        return Average(known[metric].mean(), None, 1)
    return average_of(known.groupby(repeated, sort=False)[metric].mean())


def rows_at(table, places):
    """The rows of a table at these places, a map of axes."""
    for axis, place in places.items():
        table = table[table[axis] == place]
    return table


def name_of(key):
    """A metric's or a stage's name for a reader."""
    stage = without_pipeline(key)
    kind = kind_of(stage)
    name = STAGE_NAMES.get(kind, label(kind)) + stage[len(kind):]
    return f"{key[: -len(stage) - 1]}: {name}" if stage != key else name


def number_text(value, metric):
    """A value as it is printed: a rate in percent with one decimal."""
    if is_share(metric):
        text = f"{100 * value:.1f}"
        return "0.0" if text == "-0.0" else text
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.3g}"


def is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def place_label(axis, place):
    """A place by itself if it is a word; a number needs its axis."""
    if is_number(place) or place in ("true", "false", "null"):
        return f"{axis.split('.')[-1].replace('_', ' ')} {place}"
    return place


def label_of(places):
    """A point's name for a reader, from a map of axes."""
    parts = [place_label(axis, place) for axis, place in places.items()]
    return SEPARATOR.join(part for part in parts if part)


def the_same(one, other):
    """Payloads joined, None if they differ."""
    return one if one == other else None


def telling(axes, payloads, join=the_same):
    """Of the axes those that `payloads`, a map from places on all axes, depend on, and the payloads
    by places on these alone. Where no two points differ in an axis alone, as in a sweep that has
    just begun, whether they depend on it is not known, and it stays."""
    axes = list(axes)
    for axis in list(axes):
        i = axes.index(axis)
        merged = {}
        for places, payload in payloads.items():
            rest = places[:i] + places[i + 1 :]
            merged[rest] = join(merged[rest], payload) if rest in merged else payload
            if merged[rest] is None:
                break
        same = None not in merged.values()
        single = len({places[i] for places in payloads}) <= 1
        if same and (single or len(merged) < len(payloads)):
            axes.remove(axis)
            payloads = merged
    return axes, payloads


def labelled(axes, payloads, join=the_same):
    """(label, payload) of the points that differ, in their order."""
    axes, payloads = telling(axes, payloads, join)
    return [(label_of(dict(zip(axes, places))), payload) for places, payload in payloads.items()]
