"""The stories that tests and recordings tell: tutorial, demo, and random ones."""

from __future__ import annotations

from tests.lab.demo import DEMO
from tests.lab.random_scenario import random_scenario, random_steps
from tests.lab.scenario import Scenario, Step
from tests.lab.tutorial import TUTORIAL

__all__ = ["DEMO", "TUTORIAL", "Scenario", "Step", "random_scenario", "random_steps"]
