"""Runs that end early, for the tests that resume them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
vars: {hidden: 8}
blocks:
  layer: {params: {width: int}, body: [linear: $width, relu, dropout: 0.4]}
stages:
  head: [flatten, layer: $hidden, linear: 10]
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 2, momentum: 0.9}
"""
FEW = ("--limit-train", "100", "--limit-test", "50")  # 4 steps an epoch


def metrics(run: str) -> list[dict]:
    lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s", "peak_memory_bytes")} for row in lines]


def weights(run: str) -> bytes:
    return Path(run, "weights.safetensors").read_bytes()


def stop_early(cli: Cli, monkeypatch: pytest.MonkeyPatch, step: int, *arguments: object, run: str = "run") -> None:
    """A run of a checkpoint a step that dies after so many."""
    from archspec.train.checkpoint.policy import Checkpointer

    save = Checkpointer.on_step

    def dying(self: Checkpointer, trained) -> None:
        save(self, trained)
        if trained.state.step == step:
            raise RuntimeError("power cut")

    where = () if "--resume" in arguments else ("--run-dir", run)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "on_step", dying)
        done = cli("train", *arguments, *where, "--checkpoint-every", "1")
    assert (done.code, "power cut" in done.err) == (70, True)
