#!/usr/bin/env python3
"""`redoubt check --schema` against the program itself: what the program takes passes the schema, and what
it calls unknown, of the wrong type or out of range does not. Needs python3-jsonschema and python3-yaml.
"""

import concurrent.futures
import copy
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from program import PROGRAM, ProgramTest

CHECK_LINES = os.environ.get("CHECK_LINES", "check_lines")
TOP = pathlib.Path(__file__).resolve().parents[2]

# What spec_test.cpp and spec_errors_test.cpp read, and more of the kinds that have shorthands.
VALID = [
    "model: wu-fashion",
    "{name: 123, seed: 9007199254740992, model: wu-fashion, federation: {server_lr: 1e-30}}",
    "{model: wu-fashion, attack: null}",
    "{model: wu-fashion, threads: null, device: cpu, precision: bf16, conv_engine: implicit}",
    "{model: wu-fashion, data: {dataset: fashion-mnist, directory: some/where, train_samples: 4000, "
    "normalize: {mean: [0.5], std: [0.2]}, partition: {kind: dirichlet, alpha: 0.7}}}",
    "{model: wu-fashion, data: {partition: iid, normalize: unit}}",
    "{x-rounds: 3, model: wu-fashion}",
    "{model: wu-fashion, data: {partition: {kind: k-label, labels: 2}, normalize: standard}}",
    "model: {layers: [{conv: {channels: 4, kernel: 3, name: first}}, relu, {max_pool: 2}, batch_norm, "
    "{dropout: 0.25}, {average_pool: {window: 2, stride: 0}}, {dense: 10}], initialization: he}",
    "model: {layers: [{conv: {channels: 4, kernel: 3, padding: 1}}, {residual: {body: [{conv: {channels: "
    "4, kernel: 3, padding: 1}}, {batch_norm: {}}], shortcut: []}}, {relu: {}}, global_average_pool, {dense: 10}]}",
    "{model: {preset: wu-fashion, initial: start.safetensors}}",
    "{model: wu-fashion, federation: {clients_per_round: all, wave: 2, keep: best, lr_decay: 0.5}}",
    "{model: wu-fashion, federation: {clients: 12, clients_per_round: 5, local: {optimizer: {kind: adam, "
    "lr: 0.002, beta1: 0.8, beta2: 0.99, epsilon: 1.0e-7, weight_decay: 0.001}}}}",
    "{model: wu-fashion, federation: {local: {optimizer: {momentum: 0.5}}}}",
    "{model: wu-fashion, attack: {clients: [7, 3], victim: all, target: 0, scale: full}}",
    "{model: wu-fashion, attack: {clients: 2, scale: {shared: 50}, poison: {copies: 3}, to_round: 4}}",
    "{model: wu-fashion, attack: {trigger: {pixels: 3, row: 9}}}",
    "{model: wu-fashion, attack: {trigger: {kind: pattern, row: 1, column: 1, height: 2, width: 5}}}",
    "{model: wu-fashion, attack: {trigger: {kind: distributed, parts: [{row: 0, column: 0, width: 4}]}}}",
    "{model: wu-fashion, attack: {clients: 4, trigger: {kind: distributed}}}",
    "{model: wu-fashion, attack: {victim: all, target: 9, trigger: {kind: semantic, images: [1, 2], test_images: [3]}}}",
    "{model: wu-cifar, data: {dataset: cifar10}, attack: {trigger: {kind: semantic, channel: red, share: 0.4}}}",
    "{model: wu-fashion, attack: {trigger: {kind: targeted, samples: 5}}}",
    "{model: wu-fashion, attack: {evade: {metric: cosine, rho: 0.4}, project: 2, protect_channels: true, "
    "pruning_aware: {rate: 0.3}, self_clip: {delta: 2}, local: {epochs: 3, batch: 8, lr: 0.1}}}",
    "{model: wu-fashion, attack: {untargeted: sign-flip, redraw: true}}",
    "{model: wu-fashion, attack: {clients: 3, untargeted: {little-is-enough: {shift: null, omniscient: true}}}}",
    "{model: wu-fashion, attack: {untargeted: {label-flip: {victim: all}}}}",
    "{model: wu-fashion, defense: {rule: median}}",
    "{model: wu-fashion, defense: {rule: {fedavg: {}}}}",
    "{model: wu-fashion, defense: {rule: {krum: null}}}",
    "{model: wu-fashion, defense: {rule: {norm-check: {norm: 3}}}}",
    "{model: wu-fashion, defense: {rule: {norm-check: {times_median: 3}}}}",
    "{model: wu-fashion, defense: {rule: {ariba: {suspects: 2, layers: [last], fragments: filter, detector: "
    "{kind: nearest-neighbours, neighbours: 5}, export: {round: 1, clients: [0]}}}}}",
    "{model: wu-fashion, defense: {rule: {ariba: {suspects: 2, fragments: {kind: block, block: 4}, detector: "
    "robust-covariance}}}}",
    "{model: wu-fashion, defense: {after_training: [prune, {fine_tune: {rounds: 3, lr: 0.004}}, {prune: {vote: "
    "majority, rate: 0.3, ties: index, layer: conv1, judge: clients, stop: {accuracy_drop: 0.04}}}, "
    "{prune: {channels: 2}}, {adjust_weights: {delta: 3}}, {adjust_weights: {stop: {loss_rise: 0.2}}}]}}",
    "{model: wu-fashion, defense: {after_training: [limit_inputs, {limit_inputs: {margin: 3}}, {limit_inputs: "
    "{ends: both, from: 5, to: 50, step: 5, judge: clients, stop: {accuracy_drop: 0.1}}}]}}",
    "{model: wu-fashion, defense: {after_training: {one: [prune], two: [], 3: [fine_tune]}}}",
    "{model: wu-fashion, sweep: {seed: [1, 2], scale: {weak: {attack.scale: 2}, none: null}}}",
    "{model: wu-fashion, sweep: {seed: [1, 2], federation.rounds: [3, 4]}, paper: {title: 5, source: table 1, x: "
    "federation.rounds, metrics: [accuracy], published: [{at: {federation.rounds: 3}, stage: training, values: "
    "{accuracy: 0.9}}], notes: [open]}}",
]

UNKNOWN = [
    "{modell: wu-fashion}",
    "{model: wu-fashion, federation: {round: 4}}",
    "{model: wu-fashion, data: {partition: {kind: iid, labels: 3}}}",
    "{model: wu-fashion, data: {partition: {labels: 3}}}",
    "{model: wu-fashion, federation: {local: {optimizer: {kind: adam, momentum: 0.5}}}}",
    "{model: wu-fashion, federation: {local: {optimizer: {beta1: 0.5}}}}",
    "{model: wu-fashion, attack: {trigger: {kind: pattern, pixels: 3}}}",
    "{model: wu-fashion, attack: {trigger: {kind: targeted, row: 3}}}",
    "{model: wu-fashion, attack: {trigger: {kind: semantic, images: [1], channel: red}}}",
    "{model: wu-fashion, attack: {untargeted: {sign-flip: {epsilon: 1}}}}",
    "{model: wu-fashion, defense: {rule: {fedavg: {mean: 1}}}}",
    "{model: wu-fashion, defense: {rule: {norm-check: {norm: 3, times_median: 3}}}}",
    "{model: wu-fashion, defense: {rule: {ariba: {suspects: 2, fragments: {kind: filter, block: 4}}}}}",
    "{model: wu-fashion, defense: {after_training: [{fine_tune: {round: 3}}]}}",
    "{model: wu-fashion, defense: {after_training: [{prune: {rate: 0.3}}]}}",
    "{model: wu-fashion, defense: {after_training: [{prune: {channels: 2, judge: clients}}]}}",
    "{model: wu-fashion, defense: {after_training: [{adjust_weights: {delta: 3, from: 4}}]}}",
    "{model: wu-fashion, defense: {after_training: [{limit_inputs: {margin: 3, from: 4}}]}}",
    "{model: wu-fashion, paper: {titel: 5}}",
]


class Yaml12Loader(yaml.SafeLoader):
    """Reads plain words as editors do, by YAML 1.2: `yes` is a text, `1e-3` is a number."""


Yaml12Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    Yaml12Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
Yaml12Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))
Yaml12Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def with_text_keys(value):
    if isinstance(value, dict):
        return {str(key): with_text_keys(item) for key, item in value.items()}
    return [with_text_keys(item) for item in value] if isinstance(value, list) else value


def read_yaml(text):
    return with_text_keys(yaml.load(text, Yaml12Loader))


class Walk:
    """Every key of a schema, each with a way to make a file that sets it."""

    def __init__(self, schema):
        self.definitions = schema["$defs"]
        self.found = []
        self.walked = set()
        self.walk(schema, lambda value: value, "")

    def resolved(self, schema):
        reference = schema.get("$ref")
        return self.definitions[reference.rsplit("/", 1)[1]] if reference else schema

    def example(self, schema):
        """Some value that the schema passes."""
        schema = self.resolved(schema)
        if schema.get("default") is not None:
            return schema["default"]
        if "enum" in schema:
            return schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        if "oneOf" in schema:
            return self.example(schema["oneOf"][0])
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind in ("integer", "number"):
            return max(1, schema.get("minimum", 1))
        if kind == "array":
            return [self.example(schema["items"])]
        if kind == "object":
            return {key: self.example(schema["properties"][key]) for key in schema.get("required", [])}
        return "text"

    def settled(self, schema, condition):
        """A value of a deciding key that fulfils a condition."""
        for value in [*condition.get("enum", []), condition.get("const"), [], self.example(dict(schema, default=None))]:
            if not list(jsonschema.Draft202012Validator(condition).iter_errors(value)):
                return value
        raise AssertionError(f"nothing fulfils {condition}")

    def walk(self, schema, wrap, path):
        """A definition is walked where it is first referred to."""
        name = schema.get("$ref")
        if name is not None:
            if name in self.walked:
                return
            self.walked.add(name)
            schema = self.resolved(schema)
        required = schema.get("required", [])
        for key, value in schema.get("properties", {}).items():
            properties = schema["properties"]
            alone = {other: self.example(properties[other]) for other in required if other != key}
            needs = schema.get("dependentSchemas", {}).get(key, {}).get("properties", {})
            base = alone | {other: self.settled(properties[other], must) for other, must in needs.items()}
            place = lambda v, key=key, base=base: wrap({**base, key: v})
            self.found.append((f"{path}.{key}".lstrip("."), value, place))
            if needs:
                against = alone | {other: self.violating(properties[other], must) for other, must in needs.items()}
                self.found.append((f"{path}.{key} where it has no place".lstrip("."), {"enum": [self.example(value)]},
                                   lambda v, key=key, base=against: wrap({**base, key: v})))
            self.walk(value, place, f"{path}.{key}")
        for one in schema.get("oneOf", []):
            self.walk(one, wrap, path)
        if "items" in schema:
            self.walk(schema["items"], lambda v: wrap([v]), f"{path}[0]")
        if isinstance(schema.get("additionalProperties"), dict):
            self.walk(schema["additionalProperties"], lambda v: wrap({"some": v}), f"{path}.some")

    def violating(self, schema, condition):
        candidates = [*schema.get("enum", []), None, [], self.example(dict(schema, default=None)), 1]
        for one in schema.get("oneOf", []):
            candidates += one.get("enum", [])
        for value in candidates:
            if list(jsonschema.Draft202012Validator(condition).iter_errors(value)):
                return value
        raise AssertionError(f"nothing violates {condition}")


def trials(schema, walk):
    """Values about what a key takes: of every type, its words, its bounds and just beyond them."""
    values = [None, True, -1, 0, 0.5, 1, 3, "word", [], {}, [[{"a": 1}]], {"unknown_key": 1}, walk.example(schema)]
    pending = [schema]
    while pending:
        one = pending.pop()
        pending += one.get("oneOf", [])
        values += one.get("enum", [])
        for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if bound in one:
                step = 1 if abs(one[bound]) < 2**50 else 4  # what a double tells apart
                values += [one[bound], one[bound] - step, one[bound] + step]
    unique = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in unique):
            unique.append(value)
    return unique


def is_about_form(message):
    """Unknown, of the wrong type or out of range, as opposed to settings that contradict one another."""
    contradictions = ("found neither", "found no values", "which is no axis", "which is no place")
    form = any(text in message for text in ("unknown key", ": found ", ": contradicts "))
    return form and not any(text in message for text in contradictions)


class Schema(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        text = subprocess.run([PROGRAM, "check", "--schema"], capture_output=True, text=True, check=True).stdout
        cls.schema = json.loads(text)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def passes(self, document):
        return not list(self.validator.iter_errors(document))

    def fault(self, document):
        return jsonschema.exceptions.best_match(self.validator.iter_errors(document))

    def message_of(self, text):
        """What the program says of a file, "" if it takes it."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=self.folder) as file:
            file.write(text)
            file.flush()
            result = self.call("check", file.name)
        return "" if result.returncode == 0 else result.stderr

    def messages_of(self, documents):
        """What the program says of each. Those with a sweep or a paper block are read from files."""
        plain = [not {"sweep", "paper"} & document.keys() for document in documents]
        lines = "".join(json.dumps(d) + "\n" for d, is_plain in zip(documents, plain) if is_plain)
        printed = subprocess.run([CHECK_LINES], input=lines, capture_output=True, text=True, check=True)
        answers = iter(printed.stdout.splitlines())
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            others = pool.map(self.message_of,
                              [json.dumps(d) for d, is_plain in zip(documents, plain) if not is_plain])
            return [next(answers) if is_plain else next(others) for is_plain in plain]

    def test_it_stands_alone(self):
        path = self.write_experiment()
        for arguments in (["check"], ["check", path, "--schema"], ["check", "--schema", "--reference"]):
            self.assertEqual(self.call(*arguments).returncode, 2, arguments)

    def test_it_is_a_schema_of_draft_2020_12(self):
        self.assertEqual(self.schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_every_experiment_of_the_project_passes(self):
        files = sorted((TOP / "experiments").rglob("*.yaml"))
        self.assertGreater(len(files), 4)
        for file in files:
            with self.subTest(file=file.name):
                self.assertIsNone(self.fault(read_yaml(file.read_text())))

    def test_what_check_prints_passes(self):
        for text in VALID:
            path = self.folder / "valid.yaml"
            path.write_text(text)
            if "sweep" in text:
                continue
            with self.subTest(text=text):
                self.assertIsNone(self.fault(read_yaml(self.succeed("check", path))))

    def test_valid_files_pass_program_and_schema(self):
        for text in VALID:
            with self.subTest(text=text):
                self.assertEqual(self.message_of(text), "")
                self.assertIsNone(self.fault(read_yaml(text)))

    def test_unknown_keys_pass_neither(self):
        for text in UNKNOWN:
            with self.subTest(text=text):
                self.assertRegex(self.message_of(text), "unknown key|a key that goes with|contradicts")
                self.assertFalse(self.passes(read_yaml(text)))

    def test_it_agrees_with_the_program_about_every_key(self):
        walk = Walk(self.schema)
        cases = []
        for path, schema, place in walk.found:
            for value in trials(schema, walk):
                document = copy.deepcopy(place(value))
                document.setdefault("model", "wu-fashion")
                cases.append((path, value, document))
        messages = self.messages_of([document for _, _, document in cases])
        taken = 0
        refused = 0
        for (path, value, document), message in zip(cases, messages):
            with self.subTest(key=path, value=value, document=document):
                if message == "":
                    self.assertIsNone(self.fault(document))
                    taken += 1
                elif is_about_form(message):
                    self.assertFalse(self.passes(document), message)
                    refused += 1
        print(f"{len(walk.found)} keys: {taken} files were taken and {refused} refused by both")
        self.assertGreater(len(walk.found), 150)
        self.assertGreater(taken, 400)
        self.assertGreater(refused, 1000)


if __name__ == "__main__":
    unittest.main()
