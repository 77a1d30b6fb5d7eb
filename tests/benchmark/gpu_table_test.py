#!/usr/bin/env python3
"""gpu_table.py on made-up measurements: medians, ratios, verdicts, and what is not there."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("gpu_table.py")


def entries(name, times, unit="us", **counters):
    """A benchmark's repetitions as Google Benchmark writes them, with one aggregate."""
    counters = {key.replace("_", " ") if key == "host_s" else key: value
                for key, value in counters.items()}
    own = [{"name": name, "run_type": "iteration", "repetition_index": i, "real_time": time,
            "time_unit": unit, **counters} for i, time in enumerate(times)]
    return own + [{"name": name + "_median", "run_type": "aggregate", "real_time": 1e9,
                   "time_unit": unit, **counters}]


def rates(**values):
    return {{"bytes": "B/s", "flops": "FLOP/s", "images": "images/s"}[key]: value
            for key, value in values.items()}


BENCHMARKS = (
    entries("cuda/machine/copy/manual_time", [100] * 5, **rates(bytes=4e12))
    + entries("cuda/relu_forward/large/manual_time", [90, 100, 110, 95, 300], **rates(bytes=3.6e12))
    + entries("cuda/gram/large/manual_time", [100] * 5, **rates(bytes=2e12))
    + entries("cuda/conv_forward/3x3x64/implicit/tf32/manual_time", [1] * 5, **rates(flops=150e12))
    + entries("cuda/conv_forward/3x3x64/cublas-product/tf32/manual_time", [1] * 5,
              **rates(flops=200e12))
    + entries("cuda/round/wu-mnist/64/real_time", [9, 10, 11, 8, 12], "ms", **rates(images=1))
    + entries("cuda/round/pfl-cifar/10/real_time", [8] * 5, "ms", **rates(images=1))
    + entries("cuda/evaluate/pfl-cifar/10/real_time", [4] * 5, "ms", **rates(images=1))
    + entries("cuda/step/wu-mnist/10x64/tf32/manual_time", [50] * 5, host_s=5e-6,
              **rates(images=1e6, flops=1e13))
    + entries("sgd/wu-mnist/real_time", [7] * 5, **rates(bytes=1e9)))
PEERS = {
    "torch": "2.9", "device": "a GPU", "precision": "tf32", "skipped": {"vmap": "no reason"},
    "works": {
        "round/wu-mnist/64": {"eager": [0.4, 0.3, 0.31, 0.29, 0.3], "CUDA graphs": [0.025] * 5},
        "round/pfl-cifar/10": {"eager": [0.16] * 5, "eager, channels last": [0.2] * 5},
        "evaluate/pfl-cifar/10": {"eager": [0.08] * 5},
    },
}


class GpuTableTest(unittest.TestCase):
    def run_table(self, ours, peers=None, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, document in (("ours.json", ours), ("peers.json", peers)):
                path = pathlib.Path(folder) / name
                path.write_text(document if isinstance(document, str) else json.dumps(document),
                                encoding="utf-8")
                paths.append(str(path))
            command = [sys.executable, "-B", str(SCRIPT), paths[0]]
            if peers:
                command += ["--peers", paths[1]]
            return subprocess.run([*command, *arguments], capture_output=True, text=True,
                                  check=False)

    def table(self, benchmarks, peers=None, *arguments):
        done = self.run_table({"context": {"cuda_fingerprint": "NVIDIA X"},
                               "benchmarks": benchmarks}, peers, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def row(self, text, start):
        found = [line for line in text.splitlines() if line.startswith(f"| {start}")]
        self.assertEqual(len(found), 1, f"{start} in {text}")
        return [cell.strip() for cell in found[0].strip("|").split("|")]

    def test_sets_each_bar_beside_what_was_found(self):
        text = self.table(BENCHMARKS, PEERS, "--run-seconds", "16.5")
        self.assertEqual(self.row(text, "`round/wu-mnist/64` against the eager")[1:],
                         ["20 times", "30.00 times", "met"])
        self.assertEqual(self.row(text, "`round/wu-mnist/64` against the best")[1:],
                         ["3 times", "2.50 times", "**not met**"])
        # 1,500 x 8 ms + 150 x 4 ms; the eager loop 20 times as long, in its better layout.
        self.assertEqual(self.row(text, "pfl-research")[1:], ["under 15 s", "12.6 s", "met"])
        self.assertEqual(self.row(text, "the same as `redoubt run`")[1:],
                         ["under 15 s", "16.5 s", "**not met**"])
        self.assertEqual(self.row(text, "the same against the eager")[1:],
                         ["20 times", "20.00 times", "met"])
        self.assertEqual(self.row(text, "slowest memory-bound")[1:], ["80 %", "50 %", "**not met**"])
        self.assertIn("| 1 of 2 meet it |", text)
        self.assertEqual(self.row(text, "slowest implicit GEMM")[1:], ["60 %", "75 %", "met"])
        self.assertEqual(self.row(text, "longest host time")[1:], ["under 20 µs", "5 µs", "met"])

    def test_gives_medians_with_their_spread(self):
        text = self.table(BENCHMARKS, PEERS)
        self.assertEqual(self.row(text, "`relu_forward/large`")[1:],
                         ["100 µs (90 µs to 300 µs)", "3,600", "90 %"])
        self.assertEqual(self.row(text, "`round/wu-mnist/64` | PyTorch, CUDA graphs")[2:],
                         ["25 ms (25 ms to 25 ms)", "2.50"])
        self.assertEqual(self.row(text, "conv_forward | 3x3x64 | tf32")[3:], ["-", "150", "-", "200"])
        self.assertNotIn("sgd", text)

    def test_says_what_was_not_measured(self):
        text = self.table([])
        self.assertEqual(text.count("| not measured | not measured |"), 9)
        self.assertNotIn("met |", text)
        text = self.table(BENCHMARKS, PEERS)
        self.assertEqual(self.row(text, "`round/conv-stack/64`")[2:], ["not measured"] * 2)
        self.assertEqual(self.row(text, "the same as `redoubt run`")[2:], ["not measured"] * 2)

    def test_names_failures_skipped_peers_and_too_few_repeats(self):
        failed = {"name": "cuda/step/x/manual_time", "run_type": "iteration",
                  "error_occurred": True, "error_message": "cuDNN cannot"}
        few = entries("cuda/dropout/large/manual_time", [1, 2], **rates(bytes=1))
        text = self.table([*BENCHMARKS, failed, *few], PEERS)
        self.assertIn("Failed: `step/x`: cuDNN cannot.", text)
        self.assertIn("Fewer than 5 repeats: `dropout/large`.", text)
        self.assertIn("Not run: PyTorch, vmap: no reason.", text)

    def test_refuses_what_is_no_measurement(self):
        done = self.run_table("{")
        self.assertEqual(done.returncode, 2)
        self.assertIn("ours.json", done.stderr)
        lacks = entries("cuda/machine/copy/manual_time", [1] * 5)
        done = self.run_table({"benchmarks": [*lacks, *BENCHMARKS[6:12]]})
        self.assertEqual(done.returncode, 2)
        self.assertIn("B/s", done.stderr)


if __name__ == "__main__":
    unittest.main()
