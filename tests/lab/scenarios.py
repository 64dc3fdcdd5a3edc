"""The stories that tests and recordings tell: four fixed ones, and random ones."""

from __future__ import annotations

from tests.lab.demo import DEMO
from tests.lab.random_scenario import random_scenario, random_steps
from tests.lab.rollouts_scenario import ROLLOUTS
from tests.lab.scenario import Scenario, Step
from tests.lab.tutorial import TUTORIAL
from tests.lab.volumes_scenario import VOLUMES

__all__ = [
    "DEMO",
    "ROLLOUTS",
    "TUTORIAL",
    "VOLUMES",
    "Scenario",
    "Step",
    "random_scenario",
    "random_steps",
]
