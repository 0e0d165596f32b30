"""The identity of a trial: when two trials are the same training."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

# Increase it when a change of archspec changes the results of trainings, so that old results are not reused.
RESULTS: Final = 1
ID_LENGTH: Final = 16  # hexadecimal digits: 64 bits


def trial_id(trial: Trial) -> str:
    """The digest of a trial: of the lowered network, the recipe with seed and epochs, the data, and RESULTS.

    The number of devices counts, because each device has its own batch norm statistics and dropout masks. The text of
    the spec does not count: two specs with the same network and recipe are the same trial.
    """
    from archspec.ir.digest import graph_digest

    parts = [RESULTS, graph_digest(trial.loaded.graph), trial.recipe.to_data(defaults=False), dict(trial.limits)]
    if trial.devices > 1:
        parts.append({"devices": trial.devices})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]
