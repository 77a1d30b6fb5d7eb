"""Wrong input of every kind: exit code 2, one message that says where, nothing left behind."""

import gzip
import json
import struct
import unittest

from program import ProgramTest, idx_labels, small_experiment, write_small_mnist


def safetensors(tensors, header=None):
    """A model file of {name: (shape, count of floats)}, all zeros."""
    entries, at = {}, 0
    for name, (shape, count) in tensors.items():
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    text = json.dumps(header or entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


GOOD_MODEL = {
    "conv1.weight": ([4, 1, 5, 5], 100),
    "conv1.bias": ([4], 4),
    "fc1.weight": ([10, 144], 1440),
    "fc1.bias": ([10], 10),
}


class BadInputTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = {
            "layers": [{"conv": {"channels": 4, "kernel": 5, "stride": 4}}, "relu", {"dense": 10}]
        }
        self.tiny = small_experiment(self.data_folder, model=self.model, defense={})

    def run_fails(self, expected, experiment=None, *arguments):
        """A run that must end before it writes anything."""
        file = self.write_experiment(experiment or self.tiny)
        self.fail_with(expected, "run", file, "--output", self.output, *arguments)
        self.assertFalse(self.output.exists(), "something was left behind")


class GoodInputTest(BadInputTest):
    """What the bad files below differ from."""

    def test_is_taken(self):
        model = self.folder / "good.safetensors"
        model.write_bytes(safetensors(GOOD_MODEL))
        file = self.write_experiment(dict(self.tiny, model=dict(self.model, initial=str(model))))
        self.succeed("run", file, "--output", self.output, "--set", "federation.rounds=1")


class BadExperimentTest(BadInputTest):
    def fails_in_text(self, text, expected):
        file = self.folder / "bad.yaml"
        file.write_text(text)
        for command in ("run", "check"):
            self.fail_with(expected, command, file)
        self.assertEqual(list(self.folder.iterdir()), [file])

    def test_unknown_key(self):
        self.fails_in_text(
            "name: x\nmodel: wu-fashion\nfederation:\n  ruonds: 3\n",
            ["bad.yaml:4: federation.ruonds: unknown key", 'did you mean "rounds"?'],
        )

    def test_wrong_type(self):
        self.fails_in_text(
            "model: wu-fashion\nfederation:\n  rounds: many\n",
            ["bad.yaml:3: federation.rounds", '"many"', "whole number"],
        )

    def test_out_of_range(self):
        self.fails_in_text(
            "model: wu-fashion\nattack: {trigger: {value: 300}}\n",
            ["bad.yaml:2: attack.trigger.value", '"300"', "from 0 to 255"],
        )

    def test_contradiction(self):
        self.fails_in_text(
            "model: wu-fashion\nattack: {victim: 1, target: 1}\n",
            ["bad.yaml:2: attack.victim and attack.target are both 1"],
        )

    def test_no_yaml(self):
        self.fails_in_text("model: [wu-fashion\n", ["bad.yaml:", "no valid YAML"])
        self.fails_in_text("\0\1\2\n", ["bad.yaml"])
        self.fails_in_text("", ["bad.yaml", "found nothing"])

    def test_missing_file(self):
        for path in (self.folder / "absent.yaml", self.folder):
            self.fail_with([str(path), "cannot read"], "run", path)

    def test_wrong_override(self):
        self.run_fails(
            ["--set federation.rounds=x", "whole number"], None, "--set", "federation.rounds=x"
        )
        self.run_fails(
            ["--set federation.ronds=1", 'did you mean "rounds"?'],
            None,
            "--set",
            "federation.ronds=1",
        )
        self.run_fails(["--set rounds", "key.path=value"], None, "--set", "rounds")
        self.run_fails(["name"], None, "--set", "name=../elsewhere")

    def test_clients_that_cannot_be_served(self):
        self.run_fails(
            ["data.validation_samples is 400"], None, "--set", "data.validation_samples=400"
        )
        self.run_fails(["data.train_samples is 401"], None, "--set", "data.train_samples=401")
        self.run_fails(["data.partition.labels is 11"], None, "--set", "data.partition.labels=11")
        self.run_fails(["federation.clients is 100000"], None, "--set", "federation.clients=100000")


class BadArgumentsTest(BadInputTest):
    def exits_with_2(self, *arguments):
        result = self.call(*arguments)
        self.assertEqual(result.returncode, 2, arguments)
        self.assertTrue(result.stderr)

    def test_are_refused(self):
        file = self.write_experiment(self.tiny)
        for arguments in (
            [],
            ["rnu", file],
            ["run"],
            ["run", file, "--ouput", "x"],
            ["evaluate", file],
            ["run", file, "--threads", "0"],
            ["run", file, "--resume", "--overwrite"],
            ["list", "models"],
        ):
            self.exits_with_2(*arguments)
        self.assertEqual(list(self.folder.iterdir()), [file])

    def test_help_is_no_mistake(self):
        for arguments in (["--help"], ["run", "--help"], ["--version"]):
            self.succeed(*arguments)

    def test_devices_that_are_not_there(self):
        self.run_fails(['device is "gpu"', "auto, cpu, cuda"], None, "--device", "gpu")
        # Whether this build has a CUDA side or not, no machine has a thousand GPUs.
        self.run_fails(["device cuda", "not available"], None, "--device", "cuda:999")


class BadOutputTest(BadInputTest):
    def test_a_file_in_the_way(self):
        file = self.write_experiment(self.tiny)
        blocker = self.folder / "blocker"
        blocker.write_text("here first")
        self.fail_with(str(blocker), "run", file, "--output", blocker)
        (self.folder / "runs").mkdir()
        (self.folder / "runs" / "small").write_text("here first")
        self.fail_with(str(self.output / "small"), "run", file, "--output", self.output)
        self.assertEqual(blocker.read_text(), "here first")
        self.assertEqual((self.folder / "runs" / "small").read_text(), "here first")


class BadDataTest(BadInputTest):
    def setUp(self):
        super().setUp()
        self.own_data = self.folder / "mnist"
        write_small_mnist(self.own_data, train=100, test=20)
        self.tiny["data"] = dict(self.tiny["data"], directory=str(self.own_data))

    def damaged(self, name, content, expected):
        path = self.own_data / name
        before = path.read_bytes()
        path.write_bytes(content(before))
        self.run_fails([str(path)] + expected)
        path.write_bytes(before)

    def test_truncated(self):
        self.damaged("train-images-idx3-ubyte", lambda b: b[:-100], ["truncated", "78400", "78300"])
        self.damaged("t10k-labels-idx1-ubyte", lambda b: b[:5], ["truncated"])
        self.damaged("t10k-labels-idx1-ubyte", lambda b: b"", ["truncated"])
        self.damaged("t10k-images-idx3-ubyte", lambda b: gzip.compress(b)[:-20], ["damaged after"])

    def test_wrong_magic_number(self):
        self.damaged(
            "train-images-idx3-ubyte",
            lambda b: b"\0\0\x0d\3" + b[4:],
            ["wrong magic number 0x00000d03"],
        )
        self.damaged("train-labels-idx1-ubyte", lambda b: b"PK\3\4" + b[4:], ["wrong magic number"])

    def test_counts_that_disagree(self):
        self.damaged(
            "train-images-idx3-ubyte",
            lambda b: b[:4] + struct.pack(">I", 101) + b[8:],
            ["truncated"],
        )
        self.damaged(
            "t10k-labels-idx1-ubyte", lambda b: idx_labels([1] * 19), ["19 labels", "20 images"]
        )
        self.damaged("train-labels-idx1-ubyte", lambda b: b + b"\1", ["too long"])

    def test_mislabelled(self):
        self.damaged(
            "train-labels-idx1-ubyte",
            lambda b: b[:-1] + b"\x0a",
            ["label 10 of image 99", "0 to 9"],
        )

    def test_images_of_another_size(self):
        self.damaged(
            "t10k-images-idx3-ubyte",
            lambda b: struct.pack(">IIII", 0x803, 20, 14, 56) + b[16:],
            ["14x56", "28x28"],
        )

    def test_missing(self):
        (self.own_data / "t10k-images-idx3-ubyte").unlink()
        self.run_fails([str(self.own_data / "t10k-images-idx3-ubyte"), "no such file"])
        self.tiny["data"]["directory"] = str(self.folder / "absent")
        self.run_fails(
            ["data set mnist was not found", str(self.folder / "absent"), "data.directory"]
        )
        self.tiny["data"].update(dataset="cifar10", directory=None)
        self.fail_with(
            ["data set cifar10 was not found", str(self.folder / "cifar10"), "$REDOUBT_DATA"],
            "run",
            self.write_experiment(self.tiny),
            environment={"REDOUBT_DATA": str(self.folder)},
        )

    def test_a_test_split_may_be_packed_and_the_training_split_plain(self):
        path = self.own_data / "t10k-images-idx3-ubyte"
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        self.succeed(
            "run",
            self.write_experiment(self.tiny),
            "--output",
            self.output,
            "--set",
            "federation.rounds=1",
        )

    def test_a_class_that_is_not_tested(self):
        """No stamped test image: the attack succeeds on none of none."""
        rng_labels = [i % 9 for i in range(20)]
        (self.own_data / "t10k-labels-idx1-ubyte").write_bytes(idx_labels(rng_labels))
        file = self.write_experiment(self.tiny)
        self.fail_with(["attack: the test split holds no image of class 9, the victim"],
                       "run", file, "--output", self.output, "--set", "federation.rounds=1")


class BadModelTest(BadInputTest):
    def model_fails(self, content, expected):
        path = self.folder / "model.safetensors"
        path.write_bytes(content)
        self.run_fails(
            [str(path)] + expected, dict(self.tiny, model=dict(self.model, initial=str(path)))
        )
        self.fail_with([str(path)] + expected, "evaluate", path, self.write_experiment(self.tiny))

    def test_missing(self):
        absent = self.folder / "absent.safetensors"
        self.run_fails(
            [str(absent), "cannot open"],
            dict(self.tiny, model=dict(self.model, initial=str(absent))),
        )
        self.fail_with(
            [str(self.folder), "cannot read"],
            "evaluate",
            self.folder,
            self.write_experiment(self.tiny),
        )

    def test_truncated(self):
        whole = safetensors(GOOD_MODEL)
        self.model_fails(b"", ["too short for a header"])
        self.model_fails(whole[:100], ["does not fit into the file"])
        self.model_fails(whole[:-1], ["tensor fc1.bias lies outside the file"])

    def test_no_safetensors(self):
        self.model_fails(struct.pack("<Q", 12) + b"no JSON here", ["no safetensors file"])
        self.model_fails(b"PK\3\4" + bytes(2000), ["does not fit into the file"])

    def test_wrong_tensors(self):
        self.model_fails(
            safetensors(dict(GOOD_MODEL, extra=([1], 1))), ["tensor extra is not in the model"]
        )
        self.model_fails(
            safetensors({k: v for k, v in GOOD_MODEL.items() if k != "fc1.bias"}),
            ["tensor fc1.bias of the model is missing"],
        )
        self.model_fails(
            safetensors({**GOOD_MODEL, "fc1.weight": ([144, 10], 1440)}),
            ["tensor fc1.weight has shape [144, 10]", "[10, 144]"],
        )
        self.model_fails(
            safetensors({**GOOD_MODEL, "fc1.weight": ([10, 144], 1439)}),
            ["tensor fc1.weight has shape [10, 144] but 5756 bytes"],
        )

    def test_wrong_type_of_number(self):
        self.model_fails(
            safetensors({}, {"conv1.bias": {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}}),
            ["tensor conv1.bias", "F64"],
        )


if __name__ == "__main__":
    unittest.main()
