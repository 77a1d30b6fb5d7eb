"""The `paper` block of a sweep's file: what a paper prints, to set ours beside. The program checks
the block before a sweep starts; here only what the report cannot do without is checked again."""

from dataclasses import dataclass, field

from stages import kind_of, without_pipeline, without_repeat


class ReportError(Exception):
    """Wrong input: one message that says where and what."""


@dataclass(frozen=True)
class Published:
    """Figures of one place. Axes that `at` leaves out are averaged over on our side."""

    at: tuple  # pairs of an axis and its place, sorted
    stage: str
    values: dict  # metric -> value, shares as fractions of 1


@dataclass
class Paper:
    title: str = ""
    source: str = ""
    average: str = "seed"
    tables_by: str = None
    x: str = None
    metrics: list = field(default_factory=lambda: ["accuracy", "attack_success_rate"])
    stages: list = field(default_factory=list)
    published: list = field(default_factory=list)
    single: list = field(default_factory=list)  # of published, those of one repetition
    notes: list = field(default_factory=list)

    @staticmethod
    def names(name, stage):
        """Whether a name in `stages` is a stage's, which may leave out its pipeline and its
        number."""
        return name in (stage, without_pipeline(stage), without_repeat(stage), kind_of(stage))

    def shows(self, stage):
        """Whether a stage is asked for."""
        return not self.stages or any(self.names(name, stage) for name in self.stages)

    def value(self, at, stage, metric):
        """What the paper prints at exactly these places (a map of axes), or None. Where it does so
        twice, the first."""
        key = tuple(sorted(at.items()))
        for published in self.published:
            if (published.at, published.stage) == (key, stage) and metric in published.values:
                return published.values[metric]
        return None


def read_published(item, origin):
    try:
        values = {metric: float(value) for metric, value in item["values"].items()}
        at = item.get("at") or {}
        return Published(tuple(sorted(at.items())), item["stage"], values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReportError(
            f"{origin}: paper.published: an entry needs `at`, `stage` and `values`, numbers by "
            f"metric; found {item}"
        ) from error


def is_null(value):
    return value is None or value in ("", "null", "~")


def read_paper(settings, origin):
    """The block of a file whose scalars are texts; the defaults if there is none."""
    block = settings.get("paper")
    if is_null(block):
        return Paper()
    if not isinstance(block, dict):
        raise ReportError(f"{origin}: paper: found {block!r}; it must be a map")
    paper = Paper()
    for key in ("title", "source", "average", "tables_by", "x"):
        if not is_null(block.get(key)):
            setattr(paper, key, block[key])
    for key in ("metrics", "stages", "notes"):
        value = block.get(key)
        if is_null(value):
            continue
        if not isinstance(value, list):
            raise ReportError(f"{origin}: paper.{key}: found {value!r}; it must be a list")
        if value:
            setattr(paper, key, value)
    paper.published = [read_published(item, origin) for item in block.get("published") or []]
    return paper
