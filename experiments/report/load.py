"""Reads the folders that `redoubt run` and `redoubt sweep` leave.

A sweep and a single run are the same to the rest of the report: a Study, which has a table of
results, a row a point and stage, and the points' runs. A run is a study of one point and no axes.
"""

import csv
import dataclasses
import json
import pathlib
from dataclasses import dataclass, field

import pandas as pd
import yaml

from paper import Paper, ReportError, read_paper


@dataclass
class Run:
    """One point's folder. `lines`: metrics.jsonl and that of each pipeline under defend/."""

    folder: pathlib.Path
    settings_text: str
    settings: dict
    lines: list
    summary: dict

    def rounds(self):
        """The rounds of training, in their order."""
        return [line for line in self.lines if line["stage"] == "round"]


@dataclass
class Study:
    """`results` has a column an axis, `stage` ("training", "prune", "pipeline/prune") and metrics;
    failed points are not in it."""

    folder: pathlib.Path
    name: str
    axes: list
    results: pd.DataFrame
    runs: dict  # places on all axes -> Run
    paper: Paper
    sweep_text: str = ""
    failed: list = field(default_factory=list)

    @property
    def repeated(self):
        """The axis whose places are repetitions, or None."""
        return self.paper.average if self.paper.average in self.axes else None

    @property
    def settled_axes(self):
        """The axes that say what is compared: all but the repetitions."""
        return [axis for axis in self.axes if axis != self.repeated]

    def places(self, axis):
        return list(dict.fromkeys(self.results[axis]))

    def groups(self):
        """Places on the settled axes -> the runs of all repetitions, in the sweep's order."""
        keep = [i for i, axis in enumerate(self.axes) if axis != self.repeated]
        groups = {}
        for places, run in self.runs.items():
            groups.setdefault(tuple(places[i] for i in keep), []).append(run)
        return groups

    def repetitions(self):
        return len(self.places(self.repeated)) if self.repeated else 1


def stage_name(line):
    """A record's name in tables: training, or a stage, after its pipeline if that has a name."""
    stage = "training" if line["stage"] in ("round", "best_round") else line["stage"]
    pipeline = line.get("pipeline")
    return f"{pipeline}/{stage}" if pipeline else stage


def read_text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot read: {error}") from error


def read_json_lines(path):
    lines = []
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        try:
            line = json.loads(text)
            if "stage" not in line:
                raise ValueError("no stage")
        except (ValueError, TypeError) as error:
            raise ReportError(f"{path}:{number}: no record of a round or a stage") from error
        lines.append(line)
    return lines


def read_yaml(path):
    """The text of a YAML file and what it says, every scalar as the text it is written as."""
    text = read_text(path)
    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ReportError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise ReportError(f"{path}: holds no experiment")
    return text, value


def read_summary(path):
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise ReportError(f"{path}: no JSON: {error}") from error


def read_run(folder):
    for name in ("experiment.yaml", "metrics.jsonl"):
        if not (folder / name).is_file():
            raise ReportError(f"{folder}: holds neither a run nor a sweep: there is no {name}")
    if not (folder / "summary.json").is_file():
        raise ReportError(f"{folder}: the run is not finished; redoubt run --resume ends it")
    lines = read_json_lines(folder / "metrics.jsonl")
    for metrics in sorted(folder.glob("defend/*/metrics.jsonl")):
        lines += [dict(line, pipeline=metrics.parent.name) for line in read_json_lines(metrics)]
    text, settings = read_yaml(folder / "experiment.yaml")
    return Run(folder, text, settings, lines, read_summary(folder / "summary.json"))


def one_run(folder):
    run = read_run(folder)
    training = [line for line in run.lines if stage_name(line) == "training"][-1:]
    after = [line for line in run.lines if not line["stage"].endswith("round")]
    rows = [
        {key: value for key, value in line.items() if not isinstance(value, list)}
        | {"stage": stage_name(line)}
        for line in training + after
    ]
    columns = list(dict.fromkeys(["stage", *(key for row in rows for key in row)]))
    paper = read_paper(run.settings, folder / "experiment.yaml")
    paper.tables_by = paper.x = None  # axes are a sweep's
    results = pd.DataFrame(rows, columns=columns)
    return Study(folder, run.summary["name"], [], results, {(): run}, paper)


def results_table(path):
    """The axes and the rows of results.csv. Columns are told apart by their place: those of the
    axes stand between `point` and `stage`."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines or lines[0][:1] != ["point"] or "stage" not in lines[0]:
        raise ReportError(f"{path}: no table of a sweep: it must start with point, axes, stage")
    titles = lines[0]
    if any(len(line) != len(titles) for line in lines):
        raise ReportError(f"{path}: a row has not as many fields as the first")
    axes = titles[1 : titles.index("stage")]
    table = pd.DataFrame(lines[1:], columns=titles).loc[:, ~pd.Index(titles).duplicated()]
    for column in table.columns.difference(["point", *axes, "stage", "pipeline", "layer"]):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return axes, table


def read_sweep(folder):
    axes, table = results_table(folder / "results.csv")
    failed = list(table.loc[table["stage"] == "failed", "point"])
    table = table[table["stage"] != "failed"].copy()
    if table.empty:
        raise ReportError(f"{folder / 'results.csv'}: no point has ended")
    table["stage"] = [stage_name(row) for row in table.to_dict("records")]
    runs = {}
    for row in table.drop_duplicates("point").to_dict("records"):
        runs[tuple(row[axis] for axis in axes)] = read_run(folder / row["point"])
    text, paper = "", Paper()
    if (folder / "sweep.yaml").is_file():
        text, sweep = read_yaml(folder / "sweep.yaml")
        paper = read_paper(sweep, folder / "sweep.yaml")
    named = [axis for published in paper.published for axis, _ in published.at]
    for axis in (paper.tables_by, paper.x, *named):
        if axis is not None and axis not in axes:
            raise ReportError(
                f"{folder / 'sweep.yaml'}: paper names {axis}, which is no axis of results.csv"
            )
    study = Study(folder, folder.resolve().name, axes, table, runs, paper, text, failed)
    paper.published = [
        dataclasses.replace(published, at=whole_places(study, dict(published.at)))
        for published in paper.published
    ]
    return study


def whole_places(study, at):
    """Places as the tables name them: without the repetitions, and an axis of one place is there
    whether it was named or not."""
    for axis in study.settled_axes:
        if len(study.places(axis)) == 1:
            at.setdefault(axis, study.places(axis)[0])
    return tuple(sorted((axis, place) for axis, place in at.items() if axis != study.repeated))


def read_study(folder):
    """A sweep's or a run's folder. Raises ReportError."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise ReportError(f"{folder}: there is no such folder")
    return read_sweep(folder) if (folder / "results.csv").is_file() else one_run(folder)
