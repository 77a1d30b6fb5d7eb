#!/usr/bin/env python3
"""Runs one experiment on the CPU and on CUDA and compares them: gpu_agrees.py REDOUBT FILE FOLDER.

The same images are stamped, dealt out and drawn on both, so the first round's loss differs by rounding
only (fp32); later rounds drift apart, but not in what they learn. Procedural images, so that no data
set is needed. Exits with 1 if they disagree.
"""
import json
import pathlib
import subprocess
import sys

ROUNDS = 4
SETTINGS = ["data.dataset=synthetic-gray", "data.train_samples=4000", "data.validation_samples=200",
            "data.partition={kind: iid}", "precision=fp32", f"federation.rounds={ROUNDS}",
            "federation.local.epochs=2", "attack.poison.copies=4", "attack.trigger.row=4",
            "attack.trigger.column=4"]
LARGEST_LOSS_GAP = 1e-4  # of the first round's training loss
LARGEST_RATE_GAP = 0.05  # of accuracy after the last round, on the test images


def run(program, file, folder, device):
    command = [program, "run", file, "--quiet", "--device", device, "--output", str(folder / device)]
    for setting in SETTINGS:
        command += ["--set", setting]
    subprocess.run(command, check=True)
    metrics, = (folder / device).glob("*/metrics.jsonl")
    return [json.loads(line) for line in metrics.read_text().splitlines()]


def main():
    program, file, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    cpu, cuda = (run(program, file, folder, device) for device in ("cpu", "cuda"))
    same = True
    for key in ("images", "clients"):
        same &= cpu[0][key] == cuda[0][key]
    losses = cpu[0]["training_loss"], cuda[0]["training_loss"]
    gap = abs(losses[0] - losses[1]) / losses[0]
    print(f"training loss of round 1: cpu {losses[0]:.8f}, cuda {losses[1]:.8f}, gap {gap:.1e}")
    same &= gap <= LARGEST_LOSS_GAP
    for line, other in zip(cpu, cuda):
        print(f"{line['stage']:>16}: accuracy cpu {line['accuracy']:.4f}, cuda {other['accuracy']:.4f}")
    last = cpu[ROUNDS - 1]["accuracy"], cuda[ROUNDS - 1]["accuracy"]
    same &= min(last) > 0.5 and abs(last[0] - last[1]) <= LARGEST_RATE_GAP
    print("they agree" if same else "they DISAGREE")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
