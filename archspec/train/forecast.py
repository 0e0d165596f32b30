"""Says before a run how long it will take and what memory a step needs, and after it how long it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from archspec.analysis import predict_times, resources
from archspec.devices.calibration import load_calibration
from archspec.devices.models import CalibratedModel, TimeModel
from archspec.devices.targets import sheet_of_gpu
from archspec.execution import Optimizer, Setting
from archspec.text import bytes_text, duration_text, figures_text
from archspec.train.own_machine import machine_of

if TYPE_CHECKING:
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe
    from archspec.train.setup import Machine
    from archspec.train.summary import Summary
