"""Training: a loop that fits on a screen, and the callbacks that follow it.

The package can be called, because the function `archspec.train` (in `api.py`) has its name.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from archspec.train.api import Trained


class _CallablePackage(ModuleType):
    """The package `archspec.train`, which is also the function of that name."""

    def __call__(self, *arguments: Any, **options: Any) -> Trained:
        """See `archspec.train.api.train`."""
        from archspec.train.api import train

        return train(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
