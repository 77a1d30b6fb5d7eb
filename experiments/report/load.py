"""Reads the folders that `redoubt run` and `redoubt sweep` leave.

A sweep and a single run are the same to the rest of the report: a Study, which has a table of
results, a row a point and stage, and the points' runs. A run is a study of one point and no axes.
"""

import csv
import itertools
import json
import pathlib
from dataclasses import dataclass, field

import pandas as pd
import yaml

import file_names
from comparison import check_axes, settle_published
from paper import Paper, ReportError, read_paper
from stages import FAILED, ROUND, is_round, is_training, stage_name, with_repeats
from sweep_file import places_by_axis, read_overrides, whole_axes
from vocabulary import learn


@dataclass
class Run:
    """One point's folder. `lines`: metrics.jsonl and that of each pipeline under defend/, whose
    pipeline is "defend: NAME"."""

    folder: pathlib.Path
    settings_text: str
    settings: dict
    lines: list
    summary: dict

    def rounds(self):
        """The rounds of training, in their order."""
        return [line for line in self.lines if line["stage"] == ROUND]


@dataclass
class Study:
    """`results` has a column an axis, `stage` ("training", "prune", "pipeline/prune 2") and
    metrics; failed points are not in it."""

    folder: pathlib.Path
    name: str
    whole: dict  # axis -> its places in the whole sweep, whether they have results or not
    results: pd.DataFrame
    runs: dict  # places on all axes -> Run
    paper: Paper
    sweep_text: str = ""
    overrides: list = field(default_factory=list)  # "key=value" of each --set of the sweep
    failed: list = field(default_factory=list)

    @property
    def axes(self):
        return list(self.whole)

    @property
    def repeated(self):
        """The axis whose places are repetitions, or None."""
        return self.paper.average if self.paper.average in self.whole else None

    @property
    def settled_axes(self):
        """The axes that say what is compared: all but the repetitions, and first the one that
        tables are split by."""
        axes = [axis for axis in self.axes if axis != self.repeated]
        return sorted(axes, key=lambda axis: axis != self.paper.tables_by)

    def places(self, axis):
        return self.whole[axis]

    def places_so_far(self, axis):
        """Those that have results."""
        there = set(self.results[axis])
        return [place for place in self.whole[axis] if place in there]

    def groups(self):
        """Places on the settled axes -> the runs of all repetitions, in the sweep's order."""
        groups = {}
        for places, run in self.runs.items():
            at = dict(zip(self.axes, places))
            groups.setdefault(tuple(at[axis] for axis in self.settled_axes), []).append(run)
        return dict(sorted(groups.items(), key=lambda group: self._order(group[0])))

    def _order(self, places):
        return [self.whole[axis].index(place) for axis, place in zip(self.settled_axes, places)]

    def repetition_of(self, run):
        """Its place on the repeated axis, None without one."""
        if self.repeated is None:
            return None
        places = next(places for places, other in self.runs.items() if other is run)
        return places[self.axes.index(self.repeated)]

    def repetitions(self):
        """How many a point has in the whole sweep."""
        return len(self.places(self.repeated)) if self.repeated else 1

    def counts_so_far(self):
        """The numbers of repetitions that points have, each once, in order."""
        return sorted({len(runs) for runs in self.groups().values()})

    def points(self):
        """The number of points of the whole sweep, and the names of those that have neither ended
        nor failed."""
        every = list(itertools.product(*self.whole.values()))
        names = [",".join(f"{axis}={place}" for axis, place in zip(self.axes, places))
                 for places in every if places not in self.runs]
        failed = set(self.failed)
        return len(every), [name for name in names if name not in failed]


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


def is_sweep(folder):
    """Whether a sweep has begun in it; it need not have results."""
    return (folder / file_names.SWEEP).is_file() and (folder / file_names.PRINTED).is_dir()


def how_to_end(folder):
    """What to do about a run's folder that lacks something: a sweep ends its points' runs."""
    if is_sweep(folder.parent):
        return "redoubt sweep FILE goes on with it"
    return "redoubt run FILE --resume ends it"


def read_run(folder):
    if not (folder / file_names.EXPERIMENT).is_file():
        raise ReportError(
            f"{folder}: holds neither a run nor a sweep: there is no {file_names.EXPERIMENT}"
        )
    for name in (file_names.METRICS, file_names.SUMMARY):
        if not (folder / name).is_file():
            raise ReportError(
                f"{folder}: the run is not finished, there is no {name}; {how_to_end(folder)}"
            )
    lines = with_repeats(read_json_lines(folder / file_names.METRICS))
    for metrics in sorted(folder.glob(file_names.DEFENDED)):
        # The run may have a pipeline of the same name.
        pipeline = f"defend: {metrics.parent.name}"
        lines += [dict(line, pipeline=pipeline) for line in with_repeats(read_json_lines(metrics))]
    lines = [line for line in lines if line["stage"] != FAILED]  # a warning of the summary tells
    text, settings = read_yaml(folder / file_names.EXPERIMENT)
    summary = read_summary(folder / file_names.SUMMARY)
    learn(summary, folder / file_names.SUMMARY)
    return Run(folder, text, settings, lines, summary)


def one_run(folder):
    run = read_run(folder)
    training = [line for line in run.lines if is_training(stage_name(line))][-1:]
    after = [line for line in run.lines if not is_round(line["stage"])]
    rows = [
        {key: value for key, value in line.items() if not isinstance(value, list)}
        | {"stage": stage_name(line)}
        for line in training + after
    ]
    columns = list(dict.fromkeys(["stage", *(key for row in rows for key in row)]))
    paper = read_paper(run.settings, folder / file_names.EXPERIMENT)
    paper.tables_by = paper.x = None  # axes are a sweep's
    results = pd.DataFrame(rows, columns=columns)
    study = Study(folder, run.summary["name"], {}, results, {(): run}, paper)
    settle_published(study, folder / file_names.EXPERIMENT)
    return study


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
    for name in ("point", "stage", "pipeline"):
        if name in axes or titles.count(name) > 1:
            raise ReportError(f"{path}: an axis is called {name}, as a column of the table is; "
                              "give it another name")
    table = pd.DataFrame(lines[1:], columns=titles).loc[:, ~pd.Index(titles).duplicated()]
    for column in table.columns.difference(["point", *axes, "stage", "pipeline", "layer"]):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return axes, table


def named_stages(table):
    """The table's `stage` as the report names it; rows of a point are in their order."""
    names = []
    for _, rows in table.groupby("point", sort=False):
        names += zip(rows.index, map(stage_name, with_repeats(rows.to_dict("records"))))
    return pd.Series(dict(names), dtype=object)


def read_sweep(folder):
    axes, table = results_table(folder / file_names.RESULTS)
    failed = list(dict.fromkeys(table.loc[table["stage"] == FAILED, "point"]))
    table = table[table["stage"] != FAILED].copy()
    if table.empty:
        raise ReportError(f"{folder / file_names.RESULTS}: no point has ended, {len(failed)} "
                          "failed; redoubt sweep FILE tries them again")
    table["stage"] = named_stages(table)
    runs = {}
    for row in table.drop_duplicates("point").to_dict("records"):
        runs[tuple(row[axis] for axis in axes)] = read_run(folder / row["point"])
    text, paper, declared = "", Paper(), None
    file = folder / file_names.SWEEP
    if file.is_file():
        text, sweep = read_yaml(file)
        paper, declared = read_paper(sweep, file), places_by_axis(sweep)
    study = Study(folder, folder.resolve().name, whole_axes(axes, table, declared), table, runs,
                  paper, text, read_overrides(folder), failed)
    check_axes(study, file)
    settle_published(study, file)
    return study


def read_study(folder):
    """A sweep's or a run's folder. Raises ReportError."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise ReportError(f"{folder}: there is no such folder")
    if (folder / file_names.RESULTS).is_file():
        return read_sweep(folder)
    if is_sweep(folder):
        raise ReportError(f"{folder}: no point of the sweep has ended, there is no "
                          f"{file_names.RESULTS}; "
                          "redoubt sweep FILE goes on with it")
    return one_run(folder)
