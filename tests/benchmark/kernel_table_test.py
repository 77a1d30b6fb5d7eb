#!/usr/bin/env python3
"""kernel_table.py on what Nsight Compute wrote of three launches on an H100, and on what is no profile."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("kernel_table.py")
COLUMNS = ("ID", "Kernel Name", "Block Size", "Grid Size",
           "dram__throughput.avg.pct_of_peak_sustained_elapsed", "gpu__time_duration.sum",
           "sm__inst_executed_pipe_tensor_op_hmma.avg.pct_of_peak_sustained_active",
           "sm__pipe_tensor_op_gmma_cycles_active.avg.pct_of_peak_sustained_active")
TAPS = ("void implicit::<unnamed>::multiply_taps<redoubt::Tf32, 64, 4>(implicit::<unnamed>::TapProduct, "
        "redoubt::Replicas<const float>)")
ROWS = (
    ("0", TAPS, "(256, 1, 1)", "(512, 1, 10)", "37.82", "122,496", "40", "0"),
    ("1", TAPS, "(256, 1, 1)", "(512, 1, 10)", "17.82", "40,832", "20", "n/a"),
    ("2", "redoubt::<unnamed>::count_labels(int, redoubt::Replicas<const int>, int *)", "(64, 1, 1)",
     "(10, 1, 1)", "0.11", "3,040", "", ""),
)
UNITS = ("", "", "", "", "%", "ns", "%", "%")
NOISE = "==PROF== Connected to process 648 (redoubt)\nstage   accuracy\n"


def profile(rows=ROWS, units=UNITS):
    return NOISE + "".join(",".join(f'"{text}"' for text in line) + "\n"
                           for line in (COLUMNS, units, *rows))


def table(text, *arguments):
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write(text)
        file.flush()
        return subprocess.run([sys.executable, "-B", SCRIPT, file.name, *arguments], check=False,
                              capture_output=True, text=True)


class KernelTable(unittest.TestCase):
    def test_adds_launches_up_and_weighs_percentages_by_time(self):
        lines = table(profile()).stdout.splitlines()
        self.assertEqual(lines[0], "3 launches, 166 µs")
        # (37.82 · 122.496 + 17.82 · 40.832) / 163.328 and (40 · 122.496 + 20 · 40.832) / 163.328
        self.assertEqual(lines[4], "| `implicit::multiply_taps<Tf32, 64, 4>` | 512 x 1 x 10 | 2 | 163.3 | "
                                   "98 % | 33 % | 35 % |")
        self.assertEqual(lines[5], "| the others | | 1 | 3.0 | 2 % | | |")

    def test_shows_as_small_shares_as_it_is_told(self):
        lines = table(profile(), "--least", "0.01").stdout.splitlines()
        self.assertEqual(lines[5], "| `count_labels` | 10 x 1 x 1 | 1 | 3.0 | 2 % | 0 % | – |")

    def test_tells_kernels_apart_whose_template_arguments_hold_parentheses(self):
        rows = [("0", f"void redoubt::reduce<(int)16, (Kind){kind}>(int)", *ROWS[0][2:]) for kind in (1, 2)]
        lines = table(profile(rows)).stdout.splitlines()
        self.assertEqual([line.split(" | ")[0] for line in lines[4:]],
                         ["| `reduce<(int)16, (Kind)1>`", "| `reduce<(int)16, (Kind)2>`"])

    def test_reads_other_units(self):
        micro = tuple("us" if unit == "ns" else unit for unit in UNITS)
        self.assertIn("3 launches, 166368 µs", table(profile(units=micro)).stdout)

    def test_refuses_what_is_no_profile(self):
        for text in ("", NOISE, profile(rows=()), profile(units=("",) * len(UNITS)),
                     profile().replace("122,496", "many")):
            result = table(text)
            self.assertEqual(result.returncode, 2, text)
            self.assertTrue(result.stderr.startswith("kernel_table.py: "), result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
