"""Attention and embeddings in a spec: what flows into them, and mistakes."""

from __future__ import annotations

import pytest
import torch

import archspec
from tests.helpers import assert_marked

TOKENS = "archspec: 1\ninput: {tokens: {shape: [12], dtype: int64, below: 50}}\n"
SEQUENCE = "archspec: 1\ninput: [6, 8]\n"


def test_a_decoder_attends_to_a_memory() -> None:
    text = SEQUENCE + """stages:
  encoder: [linear: 8, multi_head_attention: 2]
  decoder:
    - {slice: {dim: 1, end: 4}, from: input}
    - multi_head_attention: {num_heads: 4, causal: true}
    - multi_head_attention: {num_heads: 2, memory: encoder}
"""
    loaded = archspec.load(text)
    model, x = archspec.build(loaded), torch.randn(2, 6, 8)
    memory, own = model.encoder(x), model.decoder.multi_head_attention_1(x[:, :4])
    torch.testing.assert_close(model(x), model.decoder.multi_head_attention_2(own, memory))
    layer = next(row for row in loaded.report.layers() if row.path == "decoder.multi_head_attention_2")
    assert (layer.output_shape, layer.macs) == ((4, 8), (2 * 4 + 2 * 6) * 64 + 2 * 4 * 6 * 8)
    assert loaded.report.params == sum(p.numel() for p in model.parameters())


def test_a_memory_inside_a_block() -> None:
    text = SEQUENCE + "blocks: {cross: [tanh, multi_head_attention: {num_heads: 2, memory: input}]}\nstages: {a: [cross, cross]}\n"
    model, x = archspec.build(archspec.load(text)), torch.randn(2, 6, 8)
    first = model.a.cross_1.multi_head_attention_1(x.tanh(), x)
    torch.testing.assert_close(model.a.cross_1(x), first)


@pytest.mark.parametrize(("layer", "code", "message", "hint"), [
    ("multi_head_attention: «3»", "SHAPE102", "width (8) is not divisible by num_heads (3)", "set num_heads to 2"),
    ("multi_head_attention: {num_heads: 2, memory: «wide»}", "SHAPE107",
     "the memory (6, 16) and the input (6, 8) disagree in width", "end the memory with `linear: 8`"),
    ("multi_head_attention: {num_heads: 2, memory: «widee»}", "SPEC040", "no earlier layer or stage `widee`",
     "a similar name exists: `wide`"),
])  # fmt: skip
def test_mistakes_of_attention(layer: str, code: str, message: str, hint: str) -> None:
    marked = layer if code == "SPEC040" else "«" + layer.replace("«", "").replace("»", "").replace(":", "»:", 1)
    text = SEQUENCE + f"stages: {{wide: [linear: 16], a: [{{linear: 8, from: input}}, {marked}]}}\noutputs: [a, wide]\n"
    (found,) = assert_marked(text, (code, message))
    assert found.hint == hint


def test_an_image_becomes_a_sequence_for_attention() -> None:
    (found,) = assert_marked("archspec: 1\ninput: [8, 4, 4]\nstages: {a: [«multi_head_attention»: 2]}\n",
                             ("SHAPE102", "needs a sequence (length, features), got 3 dimensions"))
    assert found.hint == "put `flatten: 2` and `permute: [0, 2, 1]` before it"
    text = "archspec: 1\ninput: [8, 4, 4]\nstages: {a: [flatten: 2, permute: [0, 2, 1], multi_head_attention: 2]}\n"
    assert archspec.load(text).report.output_shape == (16, 8)


def test_as_many_vectors_as_the_input_has_integers() -> None:
    loaded = archspec.load(TOKENS + "stages: {words: [embedding: 5, flatten, linear: 2]}\n")
    model = archspec.build(loaded)
    assert model.words.embedding_1.weight.shape == (50, 5)
    assert loaded.report.params == 50 * 5 + 60 * 2 + 2
    assert model(torch.randint(50, (3, 12))).shape == (3, 2)


@pytest.mark.parametrize(("text", "code", "message", "hint"), [
    (TOKENS + "stages: {a: [«embedding»: {embedding_dim: 5, num_embeddings: 40}]}", "SHAPE102",
     "num_embeddings (40) is too small for integers from 0 to 49", "set num_embeddings to 50"),
    (SEQUENCE + "stages: {a: [«embedding»: 5]}", "SHAPE105", "needs integers, got floating-point numbers", None),
    (TOKENS + "stages: {a: [«linear»: 5]}", "SHAPE105", "needs floating-point numbers, got integers", None),
    (TOKENS + "stages: {a: [«multi_head_attention»: 1]}", "SHAPE105", "needs floating-point numbers", None),
])  # fmt: skip
def test_mistakes_of_embeddings(text: str, code: str, message: str, hint: str | None) -> None:
    (found,) = assert_marked(text, (code, message))
    assert hint is None or found.hint == hint
