"""What other tools count of a network, to the last digit, and why it is not what archspec counts. No tool is imported.

Each file describes one tool, as read from its source. The numbers are those that the tool prints for the module that
archspec builds, in evaluation.
"""

from __future__ import annotations

from typing import Final

from archspec.analysis.conventions.deepspeed import DEEPSPEED, DEEPSPEED_FLOPS
from archspec.analysis.conventions.flopcounter import FLOPCOUNTER
from archspec.analysis.conventions.fvcore import FVCORE
from archspec.analysis.conventions.model import Convention, Difference, Figure, Omission
from archspec.analysis.conventions.ptflops_aten import PTFLOPS_ATEN
from archspec.analysis.conventions.ptflops_pytorch import PTFLOPS_PYTORCH
from archspec.analysis.conventions.tally import counted
from archspec.analysis.conventions.thop import THOP
from archspec.analysis.conventions.torchinfo import TORCHINFO

__all__ = ["CONVENTIONS", "Convention", "Difference", "Figure", "Omission", "counted"]

CONVENTIONS: Final[dict[str, tuple[Convention, ...]]] = {  # by the name on the command line; the numbers of each tool
    "flopcounter": (FLOPCOUNTER,), "fvcore": (FVCORE,), "ptflops-aten": (PTFLOPS_ATEN,),
    "ptflops-pytorch": (PTFLOPS_PYTORCH,), "thop": (THOP,), "torchinfo": (TORCHINFO,),
    "deepspeed": (DEEPSPEED, DEEPSPEED_FLOPS),
}
