"""Texts that several tests of files start with."""

from __future__ import annotations

HEAD = "archspec: 1\ninput: [3, 8, 8]\n"
LIBRARY = "archspec: 1\nvars: {k: 3}\nblocks:\n  conv: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: $k}]}\n"
