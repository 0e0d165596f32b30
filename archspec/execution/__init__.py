"""What torch does in a forward pass and a training step of a network, derived from its graph, without torch."""

from archspec.execution.execute import Execution, LayerUse, execute
from archspec.execution.launcher import Kernel
from archspec.execution.setting import Optimizer, Setting
from archspec.execution.tape import Tape

__all__ = ["Execution", "Kernel", "LayerUse", "Optimizer", "Setting", "Tape", "execute"]
