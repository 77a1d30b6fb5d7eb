"""What tests of the report share: a sweep and a run to report on, and readers of what comes out."""

import csv
import functools
import html.parser
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "experiments"))

from program import PROGRAM, small_experiment, write_small_mnist  # noqa: E402

SKIP = 77
MODULES = ("numpy", "pandas", "matplotlib", "yaml")
STAGES = ["training", "prune", "fine_tune", "adjust_weights", "limit_inputs"]
LIMIT = {"limit_inputs": {"from": 20, "to": 80, "step": 20, "stop": {"accuracy_drop": 0.3}}}
ARIBA = {"defense.rule": {"ariba": {"suspects": 2, "layers": ["conv2"], "export": {"round": 4}}}}
PAPER = {
    "title": "A rule & its rival",
    "source": "table 1",
    "published": [
        {"at": {"rule": "ariba"}, "stage": "training",
         "values": {"accuracy": 0.9, "attack_success_rate": 0.25}},
        {"at": {"rule": "fedavg"}, "stage": "adjust_weights", "values": {"accuracy": 0.123}},
        {"at": {}, "stage": "training", "values": {"accuracy": 0.8}},
        {"at": {"rule": "ariba"}, "stage": "distill", "values": {"accuracy": 0.5}},
    ],
    "notes": ["The paper leaves <this> open.", "long" * 30],
}


def leave_unless_modules():
    """Ends a test program as skipped where the report cannot be written."""
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: Python has no {', '.join(missing)}")
        sys.exit(SKIP)


def call(*arguments, **options):
    words = [PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, **options)


def succeed(*arguments):
    result = call(*arguments)
    if result.returncode != 0:
        raise AssertionError(f"{arguments}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def sweep_experiment(data_folder):
    """Two rules, two seeds, one pipeline, four rounds; a point takes well under a second."""
    experiment = small_experiment(data_folder)
    experiment["federation"]["rounds"] = 4
    experiment["defense"]["after_training"][1] = {"fine_tune": {"rounds": 2, "lr": 0.02}}
    experiment["defense"]["after_training"].append(LIMIT)
    sweep = {"rule": {"fedavg": {}, "ariba": ARIBA}, "seed": [1, 2]}
    return dict(experiment, name="rivals", sweep=sweep, paper=PAPER)


def run_experiment(data_folder):
    """Two pipelines and a trigger in parts."""
    experiment = small_experiment(data_folder)
    stages = [*experiment["defense"]["after_training"], LIMIT]
    experiment["name"] = "alone"
    experiment["data"]["partition"] = "iid"  # four with images of the victim
    experiment["attack"] = {"clients": 4, "trigger": {"kind": "distributed"}, "victim": 9,
                            "target": 1}
    experiment["defense"]["after_training"] = {"ranking": stages, "clipping": stages[2:]}
    return experiment


@functools.cache
def made_folder():
    """A sweep, a run and a page of both, made once for all tests of a program."""
    holder = tempfile.TemporaryDirectory(prefix="redoubt-test-")
    unittest.addModuleCleanup(holder.cleanup)
    folder = pathlib.Path(holder.name)
    data = folder / "mnist"
    write_small_mnist(data)
    for name, experiment in (("sweep", sweep_experiment(data)), ("run", run_experiment(data))):
        (folder / f"{name}.yaml").write_text(json.dumps(experiment))
    runs = folder / "runs"
    succeed("sweep", folder / "sweep.yaml", "--output", runs)
    succeed("run", folder / "run.yaml", "--output", runs, "--quiet")
    succeed("report", runs / "rivals", runs / "alone", "--output", folder / "page")
    return folder


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = made_folder()
        cls.sweep, cls.run_folder = cls.folder / "runs" / "rivals", cls.folder / "runs" / "alone"
        cls.page_folder = cls.folder / "page"
        cls.text = (cls.page_folder / "index.html").read_text(encoding="utf-8")
        cls.page = read_page(cls.text)

    def results(self):
        with (self.sweep / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def drawing(self, name):
        return Drawing(self.page_folder / f"{name}.svg")


class PageReader(html.parser.HTMLParser):
    """Tables by the id of their figure: {id: {(point, stage): {(metric, kind): (text, title)}}};
    and every id and every address that the page names."""

    def __init__(self):
        super().__init__()
        self.tables, self.ids, self.addresses = {}, [], []
        self.figures = {}  # id -> classes of the drawings in it
        self._figure = self._row = self._cell = None
        self.open = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for key in ("href", "src", "xlink:href", "action", "data"):
            if attributes.get(key):
                self.addresses.append(attributes[key])
        if tag == "figure":
            self._figure = attributes["id"]
            self.figures[self._figure] = []
        elif tag == "svg":
            self.figures[self._figure].append(attributes["class"])
        elif tag == "tr" and "data-point" in attributes:
            table = self.tables.setdefault(self._figure, {})
            self._row = table.setdefault((attributes["data-point"], attributes["data-stage"]), {})
        elif tag == "td":
            self._cell = (attributes.get("data-metric"), attributes["data-kind"])
            self._row[self._cell] = ("", attributes.get("title"))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"
        if tag == "td":
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            text, title = self._row[self._cell]
            self._row[self._cell] = (text + data, title)


def read_page(text):
    reader = PageReader()
    reader.feed(text)
    reader.close()
    return reader


class Drawing:
    """A figure's SVG file: its groups by id, and its curves as numbers."""

    SVG = "{http://www.w3.org/2000/svg}"
    ROOM = 0.04  # above and below the range of rates, as style.rate_range leaves it

    def __init__(self, path):
        self.root = ElementTree.parse(path).getroot()
        self.groups = {e.get("id"): e for e in self.root.iter(self.SVG + "g") if e.get("id")}

    def texts(self):
        return ["".join(e.itertext()) for e in self.root.iter(self.SVG + "text")]

    def points(self, name):
        """Vertices of a group's first path."""
        path = next(self.groups[name].iter(self.SVG + "path")).get("d")
        return [(float(x), float(y)) for x, y in re.findall(r"[ML]\s*(\S+)\s+(\S+)", path)]

    def rates(self, name, panel):
        """A curve's values, read off against the panel's height, which is that of 0 to 100 %."""
        heights = [y for _, y in self.points(f"plot-area-{panel}")]
        bottom, top = max(heights), min(heights)
        whole = (bottom - top) / (1 + 2 * self.ROOM)
        return [(bottom - y) / whole - self.ROOM for _, y in self.points(name)]
