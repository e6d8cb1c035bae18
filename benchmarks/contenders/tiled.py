"""Tiled, through a server on this machine; this module may run where databroker is not installed."""

from __future__ import annotations

from typing import Any

import pandas
from tiled.client import from_uri

from .. import data
from ..meter import Meter


def _client(meter: Meter) -> Any:
    client = from_uri(meter["tiled_uri"], api_key=meter["tiled_key"])
    client.write_table(pandas.DataFrame(data.small_table())).read()
    return client


def table(meter: Meter) -> None:
    client, frame = _client(meter), pandas.DataFrame(data.table(meter["rows"]))
    with meter.step("store"):
        stored = client.write_table(frame)
    with meter.step("read"):
        stored.read()


def images(meter: Meter) -> None:
    client, stack = _client(meter), data.images(meter["frames"])
    with meter.step("store"):
        stored = client.write_array(stack)
    with meter.step("frame"):
        stored[0].sum()
