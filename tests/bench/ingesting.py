"""How many records a second the sync step takes from a source into a store on disk, with identities resolved."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import batched
from pathlib import Path

from segserver import sync
from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.build import Connector
from segserver.progress import silent
from segserver.records import ContactRecord, Cursor, EventRecord, Page, SourceItem
from segserver.rules.catalog import join
from segserver.store.db import Store
from tests.bench.workload import AS_OF

PAGE = 1_000
DECLARATION = """
kind: files
contacts:
  path: people.csv
  identities: {email: email}
  traits: {country: country, age_band: age_band}
  consent: {email: {from: optout, means: opted out}}
events:
  purchase:
    path: purchases.csv
    key: no
    contact: {email: email}
    at: at
    properties: {amount: {type: number, unit: USD}, categories: {type: list of text}}
"""
