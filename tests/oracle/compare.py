"""Compares what the compiler's SQL says with what the evaluator says, contact by contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import pytest

from segserver.rules.check import check
from segserver.rules.program import Condition, InSegment, Program, Value
from tests.oracle.catalog import CATALOG
from tests.oracle.engine import Engine, Memberships
from tests.oracle.evaluator import Contact, Evaluator, Undecided, label
from tests.oracle.people import Scene, scene
from tests.oracle.texts import Writer
