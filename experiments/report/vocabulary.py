"""What metrics are called and which are shares of 1: the table that the program writes into every
summary.json."""

from dataclasses import dataclass

from paper import ReportError


@dataclass(frozen=True)
class Metric:
    name: str
    label: str
    share: bool
    of: str  # what it is measured of: "test", "training", "rule", "stage"


# What runs have whose summary has no table, as it had none once.
_metrics = {name: Metric(name, label, True, of) for name, label, of in (
    ("accuracy", "accuracy", "test"),
    ("attack_success_rate", "attack success", "test"),
    ("validation_accuracy", "validation accuracy", "training"),
    ("confidence_as_printed", "confidence as printed", "rule"),
    ("confidence", "confidence", "rule"),
)}


def learn(summary, origin):
    """Takes up a run's table."""
    try:
        learned = [Metric(str(row["name"]), str(row["label"]), bool(row["share"]),
                          str(row.get("of", ""))) for row in summary.get("metrics", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{origin}: metrics: each needs name, label and share") from error
    _metrics.update({metric.name: metric for metric in learned})


def is_share(name):
    return name in _metrics and _metrics[name].share


def label(name):
    """For a reader; of a name that no table has, the name itself."""
    return _metrics[name].label if name in _metrics else name.replace("_", " ")


def names_of(of, *, shares_only=False):
    """The metrics that are measured of it, in the table's order."""
    return [metric.name for metric in _metrics.values()
            if metric.of == of and (metric.share or not shares_only)]


def tested_shares():
    """What every test of a model measures and figures show."""
    return names_of("test", shares_only=True)
