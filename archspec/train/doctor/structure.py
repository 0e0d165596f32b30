"""Verdicts from the graph of the network, before the first step."""

from __future__ import annotations

from archspec.train.doctor.edit import RECTIFIER
from archspec.train.doctor.finding import Evidence, Finding
from archspec.train.doctor.history import History


def no_activation(history: History) -> Finding | None:
    """Linear layers without an activation between them are equivalent to one linear layer."""
    chain = history.facts.chain
    if not chain:
        return None
    names = ", ".join(chain)
    fact = Evidence(
        f"between {names} there is no activation: together they are one linear layer",
        {"layers": len(chain), "first": chain[0], "last": chain[-1]},
    )
    return Finding(
        "RUN353", history.first + 1, "linear layers without an activation between them", (fact,),
        f"put an activation (`{RECTIFIER}`) after {', '.join(chain[:-1])}", sure=True,
    )
