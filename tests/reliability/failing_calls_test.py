"""What becomes of a run, and of a sweep, whose n-th call on a file fails, writes half, or is the last
before the process is killed: nothing is lost that a later command does not bring back bit for bit.

By default some n are tried, evenly spread; REDOUBT_ALL_CALLS=1 tries every one and prints how many."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

from program import PROGRAM, ProgramTest, small_experiment

SHIM = os.environ["REDOUBT_FAILING_CALLS"]
EVERY = os.environ.get("REDOUBT_ALL_CALLS") == "1"
SOME = 14  # calls that are tried of a kind


def small(data_folder, **changes):
    """A run of a blink: two rounds, a pipeline of two stages and one of one."""
    experiment = small_experiment(data_folder, **changes)
    experiment["model"] = {"layers": [{"conv": {"channels": 2, "kernel": 5, "stride": 4}}, "relu",
                                      {"dense": 10}]}
    experiment["data"] |= {"partition": "iid"}
    experiment["federation"] |= {"clients": 2, "rounds": 2}
    experiment["defense"] = {"after_training": {
        "a": [{"prune": {"channels": 1}}, {"fine_tune": {"rounds": 1, "lr": 0.02}}],
        "b": [{"adjust_weights": {"delta": 2}}],
    }}
    return experiment


class FailingCallsTest(ProgramTest):
    def broken(self, *arguments, at=0, how="error", count=None):
        """The program under the shim: exit code and what it wrote to stderr."""
        environment = dict(os.environ, LD_PRELOAD=SHIM, REDOUBT_FAIL_AT=str(at),
                           REDOUBT_FAIL_HOW=how)
        if count is not None:
            environment["REDOUBT_FAIL_COUNT"] = str(count)
        ended = subprocess.run([PROGRAM, *map(str, arguments)], env=environment, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
        return ended.returncode, ended.stderr

    def calls(self, *arguments):
        """How many calls on files a command makes."""
        count = self.folder / "count"
        code, printed = self.broken(*arguments, count=count)
        self.assertEqual(code, 0, printed)
        return int(count.read_text())

    @staticmethod
    def tried(calls):
        step = 1 if EVERY else max(1, calls // SOME)
        return range(1, calls + 1, step)

    def check_message(self, code, printed, how, place):
        """A failure is told once and in one line; what is only warned of may stand beside it."""
        if how == "kill":
            self.assertIn(code, (-9, 0), f"{place}: {printed}")
            return
        self.assertIn(code, (0, 2), f"{place}: {printed}")
        told = [line for line in printed.splitlines() if line.startswith("redoubt: ")]
        self.assertEqual(len(told), 0 if code == 0 else 1, f"{place}: {printed}")
        self.assertNotIn("internal error", printed, place)

    def results(self, folder):
        """What a run has come to, without times."""
        summary = json.loads((folder / "summary.json").read_text())
        return (summary["stages"], (folder / "metrics.jsonl").read_text(),
                (folder / "model.safetensors").read_bytes(),
                {path.name: path.read_bytes() for path in (folder / "pipelines").iterdir()})

    def test_a_run_comes_back_from_every_call_that_goes_wrong(self):
        file = self.write_experiment(small(self.data_folder), "small.yaml")
        whole = self.folder / "whole"
        calls = self.calls("run", file, "--quiet", "--output", whole)
        expected = self.results(whole / "small")
        self.assertGreater(calls, 30)
        for how in ("full", "error", "short", "kill"):
            for at in self.tried(calls):
                place = f"call {at} of {calls}, {how}"
                output = self.folder / "broken"
                code, printed = self.broken("run", file, "--quiet", "--output", output, at=at,
                                          how=how)
                self.check_message(code, printed, how, place)
                folder = output / "small"
                began = (folder / "experiment.yaml").exists()
                code, printed = self.broken("run", file, "--quiet", "--output", output,
                                          *(["--resume"] if began else []))
                self.assertEqual(code, 0, f"{place}: {printed}")
                self.assertEqual(self.results(folder), expected, place)
                left = [path for path in folder.rglob("*.part")]
                self.assertEqual(left, [] if how != "kill" else left, place)
                shutil.rmtree(output)
        if EVERY:
            print(f"a run: {calls} calls, each in 4 ways")

    def test_a_sweep_comes_back_from_every_call_that_goes_wrong(self):
        experiment = small(self.data_folder, sweep={"seed": [1, 2]})
        experiment["defense"] = {"after_training": []}
        file = self.write_experiment(experiment, "points.yaml")
        whole = self.folder / "whole"
        calls = self.calls("sweep", file, "--quiet", "--jobs", 1, "--output", whole)
        expected = self.table(whole)
        self.assertGreater(calls, 5)
        for how in ("error", "kill"):
            for at in self.tried(calls):
                place = f"call {at} of {calls}, {how}"
                output = self.folder / "broken"
                code, printed = self.broken("sweep", file, "--quiet", "--jobs", 1, "--output", output,
                                          at=at, how=how)
                # The shim is loaded into every point's process, too: points may fail.
                self.assertIn(code, (-9, 0, 1, 2), f"{place}: {printed}")
                code, printed = self.broken("sweep", file, "--quiet", "--jobs", 1, "--output", output)
                self.assertEqual(code, 0, f"{place}: {printed}")
                self.assertEqual(self.table(output), expected, place)
                shutil.rmtree(output)
        if EVERY:
            print(f"a sweep: {calls} calls, each in 2 ways")

    @staticmethod
    def table(output):
        """results.csv without the times, which end each row."""
        lines = (output / "small" / "results.csv").read_text().splitlines()
        return [line.rsplit(",", 1)[0] for line in lines]


if __name__ == "__main__":
    unittest.main()
