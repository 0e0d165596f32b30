"""A loss: the focal loss."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from archspec import OwnLoss, register_loss

if TYPE_CHECKING:
    from torch import Tensor


@register_loss
class Focal(OwnLoss):
    """Cross entropy that gives easy samples less weight (Lin et al. 2017, "Focal loss", section 3.2)."""

    kind: Literal["focal"] = "focal"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "top5")

    gamma: Annotated[float, Field(ge=0)] = Field(2.0, description="how much less; 0 is cross entropy")

    def compute(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        from torch.nn import functional

        entropy = functional.cross_entropy(outputs, targets, reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()
