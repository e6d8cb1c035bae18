"""``databroker-writable deploy``: give a catalog a name."""

from __future__ import annotations

import os
import shlex

import click

from ..catalog.reopening import without_password
from ..storage.catalog_paths import expanded
from ..upkeep.deploying import check_catalogs, check_is_yaml, deploy_catalogs, is_searched, search_path_of
from .parsing import PlainCommand
from .printing import say
from .targets import COMPLETED_AS_PATH


@click.command(
    cls=PlainCommand,
    help="Put CATALOG.yml where databroker looks for catalogs, after checking that it works.\n\n"
    "The file is parsed and each of its catalogs is opened in a new process. It is refused if a driver cannot be "
    "imported, a variable is not set, a catalog cannot be opened, or import databroker would fail. Another file "
    "of the same name is replaced only with --replace.",
    epilog="Example: databroker-writable deploy catalogs/facility.yml --prefix /opt/beamline-env",
)
@click.argument("path", metavar="CATALOG.yml", type=COMPLETED_AS_PATH)
@click.option(
    "--prefix",
    metavar="ENV",
    help="The directory of a conda or virtual environment: for everybody who uses it. The default is for you alone.",
)
@click.option("--replace", is_flag=True, help="Replace a file of the same name.")
def deploy(path: str, prefix: str | None, replace: bool) -> None:
    path, prefix = expanded(path, "the file"), prefix and expanded(prefix, "--prefix")
    check_is_yaml(path)
    if prefix is not None and not os.path.isdir(prefix):
        raise click.ClickException(
            f"there is no directory {prefix!r}; give that of an environment, such as $CONDA_PREFIX"
        )
    text = check_catalogs(path, prefix)
    directory = search_path_of(prefix)
    was_there = os.path.isdir(directory)
    target = os.path.join(directory, os.path.basename(path))
    if without_password(text) != text:
        say("Warning: the file contains a password; write {{ env(NAME) }} instead", error=True)
    is_new = deploy_catalogs(text, target, replace=replace)
    say(f"deployed as {target}" if is_new else f"{target} exists already with this content")
    say(f"remove it with: rm {shlex.quote(target)}")
    if not is_searched(directory):
        say(f"databroker looks there if the environment {prefix} is activated")
    running = "within 60 s" if was_there else "after a restart, because the directory is new"
    say(f"databroker.catalog has it at once in new processes; in running ones {running}")
