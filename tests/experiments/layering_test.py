"""Lower layers never include higher ones, and a few includes are allowed in one place only."""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# From low to high; each may include itself and what stands before it.
LAYERS = [
    "base",
    "kernels",
    "engine",
    "datasets",
    "fl",
    "defense",
    "experiments/simulation",
    "experiments/file",
    "experiments/run",
    "experiments/sweep",
    "experiments/command",
]
SOURCES = {".h", ".hpp", ".cpp", ".cc", ".cu", ".cuh", ".inc"}
# (who, may not include, because)
FORBIDDEN = [
    (
        lambda path: path.startswith("defense/"),
        r"fl/attack/",
        "a defense does not know what attackers do",
    ),
    (
        lambda path: not path.startswith("experiments/file/"),
        r"(yaml-cpp/|experiments/file/(yaml_value|reader|writer)\.h)",
        "YAML is read in experiments/file",
    ),
    (
        lambda path: not path.startswith("kernels/"),
        r"(cuda|cublas|cudnn|nvtx|dnnl|oneapi)",
        "device and math libraries stay behind the kernels",
    ),
    (lambda path: True, r"(torch|tensorflow|c10|ATen)/", "no deep-learning framework is linked"),
    (
        lambda path: True,
        r"(tests|\.\.)/",
        "product code includes from the top folder, and no test code",
    ),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def violations(root):
    """Every include that breaks a rule, as `file: reason`; and how many includes were looked at."""
    found, seen = [], 0
    for rank, layer in enumerate(LAYERS):
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            name = path.relative_to(root).as_posix()
            for match in INCLUDE.finditer(path.read_text(encoding="utf-8")):
                target = match.group(1) or match.group(2)
                seen += 1
                above = [other for other in LAYERS[rank + 1 :] if target.startswith(other + "/")]
                if above:
                    found.append(f"{name}: includes {target}: {layer} lies below {above[0]}")
                found += [
                    f"{name}: includes {target}: {reason}"
                    for applies, pattern, reason in FORBIDDEN
                    if applies(name) and re.match(pattern, target)
                ]
    return found, seen


class LayeringTest(unittest.TestCase):
    def test_lower_layers_do_not_include_higher_ones(self):
        found, seen = violations(ROOT)
        self.assertEqual(found, [])
        self.assertGreater(seen, 200, "the layers were not found")
        for layer in LAYERS:
            self.assertTrue(any((ROOT / layer).rglob("*.cpp")), f"{layer} has no source")

    def test_a_planted_violation_is_found(self):
        planted = {
            "kernels/gemm.cu": '#include "engine/network.h"\n',
            "engine/network.cpp": "  #  include <datasets/dataset.h>\n",
            "datasets/cifar.cpp": '#include "fl/client.h"\n',
            "fl/attack/backdoor.cpp": '// no defenses here\n#include "defense/stage.h"\n',
            "defense/prune.cpp": '#include "fl/attack/backdoor.h"\n',
            "fl/server.h": "#include <yaml-cpp/yaml.h>\n",
            "engine/buffer.h": "#include <cuda_runtime.h>\n",
            "engine/layers/conv.cpp": '#include "../network.h"\n',
            "experiments/command/main.cpp": "#include <torch/torch.h>\n",
        }
        allowed = {
            "experiments/file/experiment_file.cpp": "#include <yaml-cpp/yaml.h>\n",
            "defense/judge.cpp": '#include "fl/server.h"\n#include <vector>\n',
            "kernels/device.cu": "#include <cuda_runtime.h>\n",
            "fl/attack/mine.cpp": '// see #include "defense/stage.h"\n',
        }
        with tempfile.TemporaryDirectory(prefix="redoubt-test-") as holder:
            root = pathlib.Path(holder)
            for name, text in {**planted, **allowed}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            found, _ = violations(root)
        self.assertEqual(sorted(line.split(":")[0] for line in found), sorted(planted))


if __name__ == "__main__":
    unittest.main()
