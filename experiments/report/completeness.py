"""Which points of a sweep have results, so that a mean over some of its places is not taken for one
over all."""

import itertools
from dataclasses import dataclass

import pandas as pd

from average import place_label, rows_at

MOST_NAMED = 12


@dataclass(frozen=True)
class Coverage:
    """What a mean over places is made of."""

    rows: pd.DataFrame  # the same places in each repetition
    covered: int
    expected: int
    left_out: list  # (a repetition, the number of places that it has)

    @property
    def whole(self):
        return self.covered == self.expected


def coverage(study, at, stage):
    """Of the rows of a stage at these places (a map of settled axes), those that a mean over all
    other settled axes is taken from. Repetitions that lack points would bring a deviation that is
    one between places: where one has all, only such count, otherwise those alike the best one."""
    over = [axis for axis in study.settled_axes if axis not in at]
    rows = rows_at(study.results, at)
    rows = rows[rows["stage"] == stage]
    expected = expected_places(study, at, over, rows)
    there = {}
    for _, row in rows.iterrows():
        repetition = row[study.repeated] if study.repeated else None
        there.setdefault(repetition, set()).add(tuple(row[axis] for axis in over))
    best = max(there.values(), key=len, default=set())
    kept = [repetition for repetition, places in there.items() if places >= best]
    chosen = [tuple(row[axis] for axis in over) in best
              and (row[study.repeated] if study.repeated else None) in kept
              for _, row in rows.iterrows()]
    left_out = [(repetition, len(places)) for repetition, places in there.items()
                if repetition not in kept]
    return Coverage(rows[chosen], len(best), len(expected), left_out)


def expected_places(study, at, over, rows):
    """Places on the axes `over` that have the stage or may have it yet: not those whose run ended
    without it."""
    every = set(itertools.product(*(study.places(axis) for axis in over)))
    having = {tuple(row[axis] for axis in over) for _, row in rows.iterrows()}
    ended = set()
    for places in study.runs:
        point = dict(zip(study.axes, places))
        if all(point[axis] == place for axis, place in at.items()):
            ended.add(tuple(point[axis] for axis in over))
    return every - (ended - having)


def listed(names):
    """The first dozen of them."""
    text = "; ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{text}; and {more} more" if more > 0 else text


def only_places(study, groups):
    """`Of rule ariba only.`: where every one of these groups, places on the settled axes, is at the
    same place of an axis that has others; else nothing. Labels do not tell it."""
    parts = []
    for i, axis in enumerate(study.settled_axes):
        places = {group[i] for group in groups}
        if len(places) == 1 and len(study.places(axis)) > 1:
            parts.append(axis_place(axis, *places))
    return f" Of {', '.join(parts)} only." if parts else ""


def axis_place(axis, place):
    """`rule ariba`: a place with its axis, be it a word or a number."""
    text = place_label(axis, place)
    return text if text != place else f"{axis.split('.')[-1].replace('_', ' ')} {place}"
