"""Models that remember the Python line that made them, so that a mistake can be shown there."""

import sys
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from archspec.source.origin import Origin

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Placing
else:
    class _Placing(type(BaseModel)):
        """Notes the caller of a constructor. `model_validate`, which the compiler uses, does not come through here."""

        def __call__(cls, *args: Any, **fields: Any) -> Any:
            made = super().__call__(*args, **fields)
            frame = sys._getframe(1)
            object.__setattr__(made, "_origin", Origin(frame.f_code, frame.f_lasti))
            return made


class Placed(BaseModel, metaclass=_Placing):
    """A model with an origin. It is in a slot: it counts neither for equality nor in copies, pickles and dumps."""

    __slots__ = ("_origin",)


def origin_of(model: BaseModel) -> Origin | None:
    """Where a constructor was called for the model; None if it was made from data."""
    return getattr(model, "_origin", None)
