#!/usr/bin/env python3
"""The pages in docs/ say what the code is: the reference of keys is what the program prints, methods.md
names functions and keys that exist and leaves out nothing that `redoubt list` shows, and links lead
somewhere.
"""

import json
import pathlib
import re
import subprocess
import unittest

from program import PROGRAM

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
# The sections of `redoubt list` that methods.md must cover.
COVERED = ["triggers", "untargeted attacks", "aggregation rules", "stages"]
STAGES = "defense.after_training[]."


def output_of(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout


def listed():
    """Section -> names, of `redoubt list`."""
    sections = {}
    for line in output_of("list").splitlines():
        if line.startswith("  "):
            names.append(line.split()[0])
        else:
            names = sections.setdefault(line.split(" (")[0], [])
    return sections


def key_paths(schema):
    """The paths of all keys; an alternative's settings stand under its name, a list's items under []."""
    found = set()

    def walk(node, path, seen):
        reference = node.get("$ref")
        if reference in seen:
            return
        if reference:
            node, seen = schema["$defs"][reference.rsplit("/", 1)[1]], seen | {reference}
        for key, value in node.get("properties", {}).items():
            found.add(path + key)
            walk(value, path + key + ".", seen)
        for one in node.get("oneOf", []):
            walk(one, path, seen)
        if "items" in node:
            walk(node["items"], path.removesuffix(".") + "[].", seen)

    walk(schema, "", frozenset())
    return found


def defines(text, function):
    """Whether a source file defines a function, Class::name or name; calls are indented."""
    return re.search(rf"^(?:\S[^;\n]*[\s&*])?{function}\(", text, re.M) is not None


class Documentation(unittest.TestCase):
    def test_the_reference_is_what_the_program_prints(self):
        self.assertEqual(
            (DOCS / "experiment-file.md").read_text(encoding="utf-8"),
            output_of("check", "--reference"),
            "docs/experiment-file.md is old: redoubt check --reference > docs/experiment-file.md",
        )

    def test_the_reference_has_every_key(self):
        page = (DOCS / "experiment-file.md").read_text(encoding="utf-8")
        for path in key_paths(json.loads(output_of("check", "--schema"))):
            self.assertIn(f"`{path.rpartition('.')[2]}`", page, path)

    def test_methods_name_functions_that_exist(self):
        page = (DOCS / "methods.md").read_text(encoding="utf-8")
        named = re.findall(r"\[`([\w:]+)`\]\(\.\./([\w./-]+)\)", page)
        self.assertGreater(len(named), 50)
        for function, file in named:
            with self.subTest(function=function):
                self.assertTrue((TOP / file).is_file(), file)
                self.assertTrue(defines((TOP / file).read_text(encoding="utf-8"), function), file)

    def test_a_function_that_is_not_there_would_be_found(self):
        text = (TOP / "defense" / "krum.cpp").read_text(encoding="utf-8")
        self.assertTrue(defines(text, "Krum::aggregate"))
        self.assertTrue(defines(text, "krum_scores"))
        self.assertFalse(defines(text, "Krum::combine"))
        self.assertFalse(defines(text, "median_scores"))

    def test_methods_name_keys_that_exist(self):
        page = (DOCS / "methods.md").read_text(encoding="utf-8")
        paths = key_paths(json.loads(output_of("check", "--schema")))
        stages = listed()["stages"]
        named = 0
        for word in re.findall(r"`([a-z][\w-]*(?:\.[\w-]+)+)`", page):
            if word.endswith(".jsonl"):
                continue
            path = STAGES + word if word.split(".")[0] in stages else word
            with self.subTest(key=word):
                self.assertIn(path, paths)
            named += 1
        self.assertGreater(named, 60)

    def test_methods_cover_all_that_can_be_listed(self):
        page = (DOCS / "methods.md").read_text(encoding="utf-8")
        sections = listed()
        for section in COVERED:
            self.assertGreater(len(sections[section]), 2, section)
            for name in sections[section]:
                with self.subTest(name=name):
                    self.assertTrue(f"`{name}`" in page, f"docs/methods.md says nothing of {name}")

    def test_links_lead_somewhere(self):
        links = 0
        for page in DOCS.glob("*.md"):
            text = page.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", text, re.M)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
                with self.subTest(page=page.name, target=target):
                    file, _, anchor = target.partition("#")
                    self.assertTrue(not file or (page.parent / file).exists())
                    if not file:
                        self.assertIn(anchor, anchors)
                links += 1
        self.assertGreater(links, 100)


if __name__ == "__main__":
    unittest.main()
