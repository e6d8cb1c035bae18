"""``databroker-writable serve``, asked over HTTP from this process."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from ..meter import Meter

COMMAND = "from databroker_writable_command import main; main()"
SEARCHES = 60


def answers(meter: Meter) -> None:
    """Start the command on an empty catalog, on runs that it has never seen, and on those again; then search."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(meter.directory / "cache")}
    empty = meter.directory / "empty"
    empty.mkdir()
    for step, directory in (("empty", empty), ("first", Path(meter["filled"])), ("start", Path(meter["filled"]))):
        begin = time.perf_counter()
        with _server(directory, environment) as page, httpx.Client(base_url=page.join("/api/v1/")) as client:
            client.params = page.params
            printed = time.perf_counter()
            _search(client)
            meter.results[step] = time.perf_counter() - begin
            if step == "start":
                meter.results["answer"] = time.perf_counter() - printed
                _time_searches(meter, client)


def _time_searches(meter: Meter, client: httpx.Client) -> None:
    """Search for seconds, in which the server looks for new runs again and again."""
    condition = {"filter[eq][condition][key]": "start.uid", "filter[eq][condition][value]": '"filled-00000042"'}
    for step, query in (
        ("search", condition),
        ("words", {"filter[fulltext][condition][text]": "filled-00000042"}),
        ("newest", {"sort": "-start.time"}),
    ):
        meter.steps(step, SEARCHES, functools.partial(_search, client, **query))
    begin, longest = time.perf_counter(), 0.0
    while time.perf_counter() - begin < 5:
        before = time.perf_counter()
        _search(client, **condition)
        longest = max(longest, time.perf_counter() - before)
    meter.results["longest"] = longest


def _search(client: httpx.Client, **query: str) -> None:
    client.get("search/", params={"page[limit]": "10", **query}).raise_for_status()


@contextlib.contextmanager
def _server(directory: Path, environment: dict[str, str]) -> Iterator[httpx.URL]:
    """The address of the page that the command prints, with its key."""
    command = [sys.executable, "-W", "ignore", "-c", COMMAND, "serve", str(directory), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield httpx.URL(re.findall(r"http://\S+", process.stdout.readline())[0])
        finally:
            process.kill()
