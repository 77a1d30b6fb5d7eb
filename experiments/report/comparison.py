"""What the paper block asks for against what the results have: which published figures stand beside
ours, and what is said of the others."""

import dataclasses

from average import name_of, number_text, rows_at
from paper import ReportError


def check_axes(study, origin):
    """Raises ReportError where the paper block names an axis that is not there, or one axis for two
    things that exclude each other."""
    paper = study.paper
    named = [axis for published in paper.published for axis, _ in published.at]
    for axis in (paper.tables_by, paper.x, *named):
        if axis is not None and axis not in study.axes:
            raise ReportError(f"{origin}: paper names {axis}, which is no axis of results.csv")
    for metric in paper.metrics:
        if metric in study.axes:
            raise ReportError(f"{origin}: the axis {metric} has the name of a metric that is shown; "
                              "give it another name")
    for key in ("tables_by", "x"):
        axis = getattr(paper, key)
        if axis is not None and axis == study.repeated:
            raise ReportError(f"{origin}: paper.{key}: found {axis}, the axis of the repetitions "
                              "that means are taken over; paper.average names another")
    if paper.x is not None and paper.x == paper.tables_by:
        raise ReportError(f"{origin}: paper.x: found {paper.x}, which paper.tables_by names, too; "
                          "an axis is drawn along x or splits tables")


def settle_published(study, origin):
    """Names places as the tables do: an axis of one place is there whether it was named or not. A
    figure of one repetition is none that a mean can stand beside; it goes to `single`."""
    paper, kept = study.paper, []
    for published in paper.published:
        at = dict(published.at)
        unknown = [axis for axis in at if axis not in study.axes]
        if unknown:
            raise ReportError(f"{origin}: paper names {unknown[0]}, but a single run has no axes")
        if study.repeated in at:
            paper.single.append(published)
            continue
        for axis in study.settled_axes:
            if len(study.places(axis)) == 1:
                at.setdefault(axis, study.places(axis)[0])
        kept.append(dataclasses.replace(published, at=tuple(sorted(at.items()))))
    paper.published = kept


def text_of(published, metric):
    """`accuracy of pruning, rule ariba`"""
    place = "".join(f", {axis} {place}" for axis, place in published.at)
    return f"{name_of(metric)} of {name_of(published.stage)}{place}"


def has_results(study, published, metric):
    rows = rows_at(study.results, dict(published.at))
    rows = rows[rows["stage"] == published.stage]
    return metric in rows and rows[metric].notna().any()


def unmatched(study):
    """What is published and not set beside ours: (why, what) with one or more texts each."""
    paper = study.paper
    single = [text_of(p, metric) for p in paper.single for metric in p.values]
    lost, no_metric, no_stage = [], [], []
    for published in paper.published:
        for metric in published.values:
            if not has_results(study, published, metric):
                lost.append(text_of(published, metric))
            elif not paper.shows(published.stage):
                no_stage.append(text_of(published, metric))
            elif metric not in paper.metrics:
                no_metric.append(text_of(published, metric))
    reasons = (
        ("Published, but not among these results", lost),
        (f"Published for one place of {study.repeated}, while ours are means over it", single),
        ("Published, but paper.stages does not name the stage", no_stage),
        ("Published, but paper.metrics does not name the metric", no_metric),
        ("Published more than once for one place; the first stands in the tables", twice(paper)),
    )
    return [(why, what) for why, what in reasons if what]


def twice(paper):
    """Metrics that several entries publish for the same place and stage, with their values."""
    found = {}
    for published in paper.published:
        for metric, value in published.values.items():
            key = (published.at, published.stage, metric)
            found.setdefault(key, (published, []))[1].append(number_text(value, metric))
    return [f"{text_of(published, key[2])}: {' and '.join(values)}"
            for key, (published, values) in found.items() if len(values) > 1]


def asked_in_vain(study):
    """Names in paper.metrics and paper.stages that no result has."""
    paper, results = study.paper, study.results
    metrics = [m for m in paper.metrics if m not in results or results[m].isna().all()]
    known = list(dict.fromkeys(results["stage"]))
    stages = [s for s in paper.stages if not any(paper.names(s, stage) for stage in known)]
    return [f"paper.metrics: {name}" for name in metrics] + [
        f"paper.stages: {name}" for name in stages]
