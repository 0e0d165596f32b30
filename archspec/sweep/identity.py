"""What makes two trials the same training."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

# Raised whenever a change of archspec changes what a training comes to, so that old results are not taken for new ones.
RESULTS: Final = 1
ID_LENGTH: Final = 16  # hexadecimal digits: 64 bits


def trial_id(trial: Trial) -> str:
    """The trial's digest: the lowered network, the recipe with seed and epochs, the data, and RESULTS.

    Several devices count, since each takes the statistics of batch norm of its own images, and draws its own dropout.
    Spelling does not count: two specs that come to the same network and recipe are the same trial.
    """
    from archspec.ir.digest import graph_digest

    parts = [RESULTS, graph_digest(trial.loaded.graph), trial.recipe.to_data(defaults=False), dict(trial.limits)]
    if trial.devices > 1:
        parts.append({"devices": trial.devices})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]
