"""Curves: by round of training, by channels pruned, and by Δ.

A line is the mean over the repetitions, the band around it reaches from the lowest to the highest.
"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

import style
from average import labelled, name_of
from figure import Figure, slug

MOST_COMPARED = len(style.SERIES)
MOST_PANELS = 12


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
    count = study.repetitions()
    return f"{count} seeds" if study.repeated == "seed" else f"{count} places of {study.repeated}"


def spread_note(study):
    count = study.repetitions()
    if count < 2:
        return "One run each." if len(study.runs) > 1 else "One run."
    return (f"Lines are means over {counted_repetitions(study)}, bands reach from the lowest to "
            "the highest.")


# By round of training.


def training_series(runs, stages):
    """metric -> a tuple a repetition of (round, value) pairs, of the rounds of these kinds."""
    found = {}
    for metric in ("accuracy", "attack_success_rate"):
        repetitions = []
        for run in runs:
            lines = [line for line in run.lines if line["stage"] in stages]
            repetitions.append(tuple((line["round"], line.get(metric)) for line in lines))
        if any(value is not None for pairs in repetitions for _, value in pairs):
            found[metric] = tuple(repetitions)
    return found


def training_points(study):
    """(label, series) of the trainings that differ. The rounds of fine-tuning go on from those of
    training, unless several pipelines or points go on from one training."""
    groups = {places: runs for places, runs in study.groups().items()
              if rounds_of_training(runs) > 1}

    def points(stages):
        series = {places: training_series(runs, stages) for places, runs in groups.items()}
        return [(label, s) for label, s in labelled(study.settled_axes, series) if s]

    trained = points(("round",))
    pipelines = {line.get("pipeline") for runs in groups.values() for run in runs
                 for line in run.lines if line["stage"] != "round"}
    if len(pipelines) > 1:
        return trained
    tuned = points(("round", "fine_tune_round"))
    return tuned if len(tuned) == len(trained) else trained


def rounds_of_training(runs):
    return min(len(run.rounds()) for run in runs)


def draw_rounds(panel, series, look, name):
    matrix = lined_up([[value for _, value in pairs] for pairs in series])
    draw_line(panel, [number for number, _ in series[0]], matrix, look, name)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def mark_end_of_training(panel, rounds, last):
    if last <= rounds:
        return
    panel.axvline(rounds + 0.5, color=style.MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    panel.set_xlim(right=last + 0.02 * last)


def compare_training(layout, points, rounds):
    """A panel a metric, a line a point."""
    metrics = [m for m in ("accuracy", "attack_success_rate")
               if any(m in series for _, series in points)]
    figure, axes = style.panels(layout, len(metrics), columns=2, width=4.4, height=2.7)
    handles = []
    for panel, metric in zip(axes, metrics):
        for i, (label, series) in enumerate(points):
            look = {"color": style.SERIES[i], "linestyle": style.DASHES[i],
                    "marker": style.MARKERS[i]}
            if metric == metrics[0]:
                handles.append(Line2D([], [], **look))
            if metric in series:
                draw_rounds(panel, series[metric], look, f"{metric}-{slug(label)}")
        last = max(s[metric][0][-1][0] for _, s in points if metric in s)
        style.rate_range(panel)
        mark_end_of_training(panel, rounds, last)
        style.title(panel, figure, name_of(metric).capitalize())
        panel.set_xlabel("round")
    style.legend_above(figure, handles, [label for label, _ in points])
    return figure


def metric_legend(figure, metrics):
    handles = [Line2D([], [], **style.METRIC_STYLE[metric]) for metric in metrics]
    style.legend_above(figure, handles, [name_of(metric) for metric in metrics])


def panel_each(layout, points, rounds):
    """A panel a point, with both metrics."""
    alone = len(points) == 1
    figure, axes = style.panels(layout, len(points), width=6.4 if alone else 3.2,
                                height=3.0 if alone else 2.2, sharey=True, sharex=True)
    for panel, (label, series) in zip(axes, points):
        for metric, values in series.items():
            draw_rounds(panel, values, style.METRIC_STYLE[metric], f"{metric}-{slug(label)}")
        mark_end_of_training(panel, rounds, max(v[0][-1][0] for v in series.values()))
        style.rate_range(panel)
        if label:
            style.title(panel, figure, label)
        panel.set_xlabel("round")
    metric_legend(figure, list(dict.fromkeys(m for _, series in points for m in series)))
    return figure


def training_figures(study):
    points = training_points(study)
    if not points:
        return []
    rounds = max(rounds_of_training(runs) for runs in study.groups().values())
    longest = max(pairs[-1][0] for _, s in points for m in s.values() for pairs in m)
    caption = f"By round of training. {spread_note(study)}"
    if longest > rounds:
        caption += " Right of the dotted line the model is fine-tuned."
    draw = compare_training if 1 < len(points) <= MOST_COMPARED else panel_each
    return in_parts("training", caption, points, lambda layout, part: draw(layout, part, rounds))


def in_parts(kind, caption, points, draw):
    """Figures of at most MOST_PANELS points each."""
    parts = [points[i : i + MOST_PANELS] for i in range(0, len(points), MOST_PANELS)]
    figures = []
    for i, part in enumerate(parts, start=1):
        name, text = kind, caption
        if len(parts) > 1:
            name, text = f"{kind}-{i}", f"{caption} Part {i} of {len(parts)}."
        figures.append(Figure(name, text, lambda layout, part=part: draw(layout, part)))
    return figures


# The sweeps within a stage.


def level_points(study, stage):
    """(label, records, chosen): a stage's records of all repetitions together, and what they and
    every other point with the same curves chose. Two levels are no curve."""
    payloads, chosen = {}, {}
    for places, runs in study.groups().items():
        found = {}
        for line in (line for run in runs for line in run.lines):
            if line["stage"] == stage and len(line.get("level_accuracy", [])) > 2:
                found.setdefault(line.get("pipeline") or "", []).append(line)
        for pipeline, lines in found.items():
            curves = [{key: value for key, value in line.items()
                       if key.startswith("level_") or key == "layer"} for line in lines]
            payloads[(*places, pipeline)] = curves
            chosen.setdefault(repr(curves), []).extend(lines)
    points = labelled([*study.settled_axes, "pipeline"], payloads)
    return [(label.strip(" ·"), curves, chosen[repr(curves)]) for label, curves in points]


LEVEL_METRICS = {
    "level_accuracy": ("accuracy", style.ACCURACY),
    "level_attack_success_rate": ("attack success", style.SUCCESS),
    "level_judged_accuracy": (
        "accuracy that the server judges by",
        {"color": style.GREEN, "linestyle": (0, (1.4, 1.2)), "marker": "D"},
    ),
}


def level_legend(figure, points):
    there = [key for key in LEVEL_METRICS if any(key in r for _, rs, _ in points for r in rs)]
    handles = [Line2D([], [], **LEVEL_METRICS[key][1]) for key in there]
    labels = [LEVEL_METRICS[key][0] for key in there]
    handles.append(Line2D([], [], color=style.MUTED, linestyle="-", linewidth=1))
    style.legend_above(figure, handles, [*labels, "chosen"])


def draw_levels(panel, records, x, label):
    for key, (_, look) in LEVEL_METRICS.items():
        series = [record[key] for record in records if key in record]
        if series:
            name = key.removeprefix("level_")
            draw_line(panel, x, lined_up(series), look, f"{name}-{label}",
                      with_band=key != "level_judged_accuracy")
    style.rate_range(panel)


def level_figure(layout, points, draw_panel):
    alone = len(points) == 1
    figure, axes = style.panels(layout, len(points), width=6.4 if alone else 3.2,
                                height=3.0 if alone else 2.3, sharey=True)
    for panel, (label, records, chosen) in zip(axes, points):
        draw_panel(panel, label, records, chosen)
        if label:
            style.title(panel, figure, label)
    level_legend(figure, points)
    return figure


def mark_chosen(panel, values, name):
    for value in sorted(values):
        line = panel.axvline(value, color=style.MUTED, linewidth=1, zorder=1)
        line.set_gid(f"chosen-{name}-{value:g}")


def draw_pruning(panel, label, records, chosen):
    draw_levels(panel, records, range(len(records[0]["level_accuracy"])), slug(label))
    mark_chosen(panel, {record["pruned_channels"] for record in chosen}, slug(label))
    panel.set_xlabel(f"channels of {records[0]['layer']} pruned")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def draw_adjusting(panel, label, records, chosen):
    """Δ falls from left to right; left of its first value, the model as it came."""
    deltas = records[0]["level_delta"]
    step = deltas[0] - deltas[1] if len(deltas) > 1 else 1
    untouched = deltas[0] + step
    draw_levels(panel, records, [untouched, *deltas], slug(label))
    mark_chosen(panel, {record.get("delta", untouched) for record in chosen}, slug(label))
    ticks = deltas[:: max(1, -(-len(deltas) // 5))]
    panel.set_xticks([untouched, *ticks], ["all", *(f"{delta:g}" for delta in ticks)])
    panel.invert_xaxis()
    panel.set_xlabel(f"Δ, weights of {records[0]['layer']} within μ ± Δσ are kept")


def stage_figures(study):
    figures = []
    for stage, kind, draw_panel, what in (
        ("prune", "pruning", draw_pruning, "By the number of channels pruned."),
        ("adjust_weights", "adjusting", draw_adjusting,
         "By the reach Δ beyond which weights become zero."),
    ):
        points = level_points(study, stage)
        if points:
            caption = (f"{what} {spread_note(study)} "
                       "Grey lines mark what each run chose.")
            figures += in_parts(kind, caption, points,
                                lambda layout, part, d=draw_panel: level_figure(layout, part, d))
    return figures
