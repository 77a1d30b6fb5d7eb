"""Curves: by round of training, by channels pruned, and by Δ.

A line is the mean over the repetitions, the band around it reaches from the lowest to the highest.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

import style
from average import labelled, name_of
from completeness import only_places
from figure import slug
from parts import columns_of, in_parts
from stages import OF_TRAINING, ROUND, is_round, stage_name, without_pipeline
from vocabulary import tested_shares

MOST_COMPARED = len(style.SERIES)


def number_or_nan(value):
    return float("nan") if value is None else float(value)


def lined_up(series):
    """Series of several repetitions as rows of one matrix, cut to the shortest."""
    length = min(len(values) for values in series)
    return np.array([[number_or_nan(v) for v in values[:length]] for values in series])


def draw_line(panel, x, series, look, name, with_band=True):
    """The mean of the rows of `series` and their band; the group in the SVG is called `name`."""
    mean = series.mean(axis=0)
    if np.isnan(mean).all():
        return
    x = np.asarray(x, dtype=float)[: len(mean)]
    few = len(x) <= 12
    (line,) = panel.plot(x, mean, **{**look, "marker": look["marker"] if few else None})
    line.set_gid(f"series-{name}")
    if len(series) > 1 and with_band:
        band = panel.fill_between(
            x, series.min(axis=0), series.max(axis=0), color=look["color"], alpha=0.18, linewidth=0
        )
        band.set_gid(f"band-{name}")


def counted_repetitions(study):
    """`3 seeds`, or `1 to 3 seeds` while some points lack theirs."""
    counts = study.counts_so_far()
    count = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
    return f"{count} seeds" if study.repeated == "seed" else f"{count} places of {study.repeated}"


def spread_note(study):
    if study.counts_so_far()[-1] < 2:
        return "One run each." if len(study.runs) > 1 else "One run."
    return (f"Lines are means over {counted_repetitions(study)}, bands reach from the lowest to "
            "the highest.")


# By round of training.


@dataclass
class Training:
    """What is drawn of a point's training."""

    series: dict  # metric -> for each repetition a map of values by round
    end: int  # the last round that is no fine-tuning

    def last(self):
        return max(max(rounds) for repetitions in self.series.values()
                   for rounds in repetitions.values())

    def goes_on(self):
        return self.last() > self.end


def joined(one, other):
    """One training that two points share, of which one may lack repetitions yet; None if they do
    not share it."""
    if one.end != other.end or one.series.keys() != other.series.keys():
        return None
    series = {}
    for metric, repetitions in one.series.items():
        others = other.series[metric]
        shared = repetitions.keys() & others.keys()
        if not shared or any(repetitions[r] != others[r] for r in shared):
            return None
        series[metric] = repetitions | others
    return Training(series, one.end)


def tested_rounds(study, runs, stages):
    """metric -> for each repetition a map of values by round, of the rounds of these kinds that the
    model was tested after."""
    found = {}
    for metric in tested_shares():
        for run in runs:
            values = {line["round"]: line[metric] for line in run.lines
                      if line["stage"] in stages and line.get(metric) is not None}
            if values:
                found.setdefault(metric, {})[study.repetition_of(run)] = values
    return found


def training_points(study, groups):
    """(label, Training) of the trainings that differ. The rounds of fine-tuning go on from those of
    training, unless several pipelines or points go on from one training."""

    def points(stages):
        trainings = {places: Training(tested_rounds(study, runs, stages), rounds_of_training(runs))
                     for places, runs in groups.items()}
        points = labelled(study.settled_axes, trainings, joined)
        return [(label, training) for label, training in points if training.series]

    trained = points((ROUND,))
    pipelines = {line.get("pipeline") for runs in groups.values() for run in runs
                 for line in run.lines if line["stage"] != ROUND}
    if len(pipelines) > 1:
        return trained
    tuning = {line["stage"] for runs in groups.values() for run in runs for line in run.lines
              if is_round(line["stage"]) and line["stage"] not in OF_TRAINING}
    tuned = points((ROUND, *tuning))
    return tuned if len(tuned) == len(trained) else trained


def rounds_of_training(runs):
    return min(len(run.rounds()) for run in runs)


def draw_rounds(panel, repetitions, look, name):
    """Of the rounds that all repetitions have."""
    series = list(repetitions.values())
    rounds = sorted(set.intersection(*map(set, series)))
    if not rounds:
        return
    matrix = np.array([[values[r] for r in rounds] for values in series], dtype=float)
    draw_line(panel, rounds, matrix, look, name)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def mark_end_of_training(panel, training, color, name):
    if not training.goes_on():
        return
    line = panel.axvline(training.end + 0.5, color=color, linewidth=0.8, linestyle=(0, (2, 2)))
    line.set_gid(f"end-{name}")


def compare_training(layout, points):
    """A panel a metric, a line a point."""
    metrics = [m for m in tested_shares()
               if any(m in training.series for _, training in points)]
    figure, axes = style.panels(layout, len(metrics), columns=2, width=4.4, height=2.7)
    handles = []
    last = max(training.last() for _, training in points)
    for panel, metric in zip(axes, metrics):
        for i, (label, training) in enumerate(points):
            look = {"color": style.SERIES[i], "linestyle": style.DASHES[i],
                    "marker": style.MARKERS[i]}
            if metric == metrics[0]:
                handles.append(Line2D([], [], **look))
            if metric in training.series:
                draw_rounds(panel, training.series[metric], look, f"{metric}-{slug(label)}")
        style.rate_range(panel)
        mark_ends(panel, points, metric)
        panel.set_xlim(right=1.02 * last)
        style.title(panel, figure, name_of(metric).capitalize())
        panel.set_xlabel("round")
    style.legend_above(figure, handles, [label for label, _ in points])
    return figure


def mark_ends(panel, points, metric):
    """One line where all trainings end alike, else each in its point's colour."""
    if len({training.end for _, training in points}) == 1:
        longest = max((training for _, training in points), key=Training.last)
        mark_end_of_training(panel, longest, style.MUTED, metric)
        return
    for i, (label, training) in enumerate(points):
        mark_end_of_training(panel, training, style.SERIES[i], f"{metric}-{slug(label)}")


def metric_legend(figure, metrics):
    handles = [Line2D([], [], **style.look_of(metric)) for metric in metrics]
    style.legend_above(figure, handles, [name_of(metric) for metric in metrics])


def panel_each(layout, points):
    """A panel a point, with both metrics."""
    alone = len(points) == 1
    figure, axes = style.panels(layout, len(points), width=6.4 if alone else 3.2,
                                height=3.0 if alone else 2.2, columns=columns_of(points),
                                sharey=True, sharex=True)
    for panel, (label, training) in zip(axes, points):
        for metric, repetitions in training.series.items():
            draw_rounds(panel, repetitions, style.look_of(metric), f"{metric}-{slug(label)}")
        mark_end_of_training(panel, training, style.MUTED, slug(label))
        style.rate_range(panel)
        if label:
            style.title(panel, figure, label)
        panel.set_xlabel("round")
    axes[0].set_xlim(right=1.02 * max(training.last() for _, training in points))
    metric_legend(figure, list(dict.fromkeys(m for _, t in points for m in t.series)))
    return figure


def training_figures(study):
    groups = {places: runs for places, runs in study.groups().items()
              if rounds_of_training(runs) > 1}
    points = training_points(study, groups)
    if not points:
        return []
    caption = f"By round of training. {spread_note(study)}"
    compared = 1 < len(points) <= MOST_COMPARED
    if any(training.goes_on() for _, training in points):
        alike = len({training.end for _, training in points}) == 1
        caption += (" Right of the dotted line the model is fine-tuned." if alike or not compared
                    else " Right of the dotted line of its colour a model is fine-tuned.")
    caption += only_places(study, groups)
    return in_parts("training", caption, points, compare_training if compared else panel_each)


# The sweeps within a stage.


def level_points(study, stage):
    """(label, records, chosen): a stage's records of all repetitions together, and what they and
    every other point with the same curves chose; and the places that have such curves. Two levels
    are no curve."""
    payloads, chosen = {}, {}
    for places, runs in study.groups().items():
        found = {}
        for line in (line for run in runs for line in run.lines):
            if line["stage"] == stage and len(line.get("level_accuracy", [])) > 2:
                step = (line.get("pipeline") or "", name_of(without_pipeline(stage_name(line))))
                found.setdefault(step, []).append(line)
        for step, lines in found.items():
            curves = [{key: value for key, value in line.items()
                       if key.startswith("level_") and key != "level_chosen"
                       or key in ("levels", "layer", "ends")} for line in lines]
            payloads[(*places, *step)] = curves
            chosen.setdefault(repr(curves), []).extend(lines)
    points = labelled([*study.settled_axes, "pipeline", "step"], payloads)
    return ([(label, curves, chosen[repr(curves)]) for label, curves in points],
            [key[:-2] for key in payloads])


def level_metrics():
    """Key of a curve -> label and look."""
    found = {f"level_{name}": (name_of(name), style.look_of(name)) for name in tested_shares()}
    found["level_judged_accuracy"] = (
        "accuracy that the server judges by",
        {"color": style.GREEN, "linestyle": (0, (1.4, 1.2)), "marker": "D"},
    )
    return found


def level_legend(figure, points):
    there = {key: look for key, look in level_metrics().items()
             if any(key in r for _, rs, _ in points for r in rs)}
    handles = [Line2D([], [], **look) for _, look in there.values()]
    labels = [label for label, _ in there.values()]
    handles.append(Line2D([], [], color=style.MUTED, linestyle="-", linewidth=1))
    style.legend_above(figure, handles, [*labels, "chosen"])


def levels_of(record):
    """Where a record's levels stand along x: their numbers, or their places where it says none. The
    untreated model, of no number, stands a step before the first."""
    levels = record.get("levels") or list(range(len(record["level_accuracy"])))
    if levels[0] is None:
        levels = [2 * levels[1] - levels[2], *levels[1:]]
    return levels


def draw_levels(panel, label, records, chosen):
    x = levels_of(records[0])
    for key, (_, look) in level_metrics().items():
        series = [record[key] for record in records if key in record]
        if series:
            name = key.removeprefix("level_")
            draw_line(panel, x, lined_up(series), look, f"{name}-{slug(label)}",
                      with_band=key != "level_judged_accuracy")
    style.rate_range(panel)
    mark_chosen(panel, {x[record["level_chosen"]] for record in chosen
                        if "level_chosen" in record}, slug(label))
    label_levels(panel, records[0], x)


def label_levels(panel, record, x):
    """Levels that fall go on from left to right, too."""
    if (record.get("levels") or x)[0] is None:
        ticks = x[1 :: max(1, -(-(len(x) - 1) // 5))]
        panel.set_xticks([x[0], *ticks], ["none", *(f"{value:g}" for value in ticks)])
    else:
        whole = all(float(value).is_integer() for value in x)
        panel.xaxis.set_major_locator(MaxNLocator(integer=whole, nbins=6))
    room = 0.05 * (x[-1] - x[0])
    panel.set_xlim(x[0] - room, x[-1] + room)
    of = f" of {record['layer']}" if record.get("layer") else ""
    panel.set_xlabel(name_of(record.get("level_axis", "level")) + of)


def level_figure(layout, points):
    alone = len(points) == 1
    along = {(records[0].get("layer"), str(levels_of(records[0]))) for _, records, _ in points}
    figure, axes = style.panels(layout, len(points), width=6.4 if alone else 3.2,
                                height=3.0 if alone else 2.3, columns=columns_of(points),
                                sharey=True, sharex=len(along) == 1)
    for panel, (label, records, chosen) in zip(axes, points):
        draw_levels(panel, label, records, chosen)
        if label:
            style.title(panel, figure, label)
    level_legend(figure, points)
    return figure


def mark_chosen(panel, values, name):
    for value in sorted(values):
        line = panel.axvline(value, color=style.MUTED, linewidth=1, zorder=1)
        line.set_gid(f"chosen-{name}-{value:g}")


def stages_with_levels(study):
    """Their kinds, in the order of the runs."""
    return list(dict.fromkeys(line["stage"] for run in study.runs.values() for line in run.lines
                              if "level_accuracy" in line))


def stage_figures(study):
    figures = []
    for stage in stages_with_levels(study):
        points, places = level_points(study, stage)
        if points:
            axis = name_of(points[0][1][0].get("level_axis", "level"))
            caption = (f"{name_of(stage).capitalize()}: by {axis}. {spread_note(study)} "
                       f"Grey lines mark what each run chose.{only_places(study, places)}")
            figures += in_parts(slug(name_of(stage)), caption, points, level_figure)
    return figures
