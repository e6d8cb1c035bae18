"""Put a YAML file of catalogs where databroker looks, after checking that it works."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from ..catalog.options import DIRECTORIES
from ..catalog.reopening import CATALOG_DIR, check_variables, without_password, wrong_default, wrong_template
from ..drivers import run_files_of, unregistered
from ..errors import InvalidCatalogError
from ..storage.durable_file import NewFile
from ..storage.mongo_errors import away_in_words
from ..storage.run_file_readers import why_unreadable
from .new_process import PATIENCE, failure_elsewhere

_PATHS = ("paths", *DIRECTORIES)

_SHELL_VARIABLE = re.compile(r"\$\{?(\w+)\}?")

_UNREGISTERED = re.compile(r"ValueError: No plugins loaded for this entry: (\S+).*")

# Opens each catalog as databroker will; prints the names, or the name and error of the first that fails.
_OPEN = """
import sys
import databroker
import intake.catalog
for name in sys.argv[1:]:
    try:
        entry = databroker.catalog[name]
        if isinstance(entry, intake.catalog.Catalog):
            next(iter(entry), None)
    except Exception as exc:
        sys.exit(" ".join(f"{name}: {type(exc).__name__}: {exc}".split()))
"""


def search_path_of(prefix: str | None) -> str:
    """The directory in which databroker looks for YAML files: the user's, or that of an environment."""
    if prefix is not None:
        return os.path.join(os.path.abspath(prefix), "share", "intake")
    import databroker

    return databroker.catalog_search_path()[0]


def is_searched(directory: str) -> bool:
    """Whether databroker looks into a directory in this process."""
    return os.path.realpath(directory) in map(os.path.realpath, _searched())


def check_is_yaml(path: str) -> None:
    """Refuse what is no YAML file."""
    if os.path.isdir(path):
        raise InvalidCatalogError(
            f"{path!r} is a directory, and a YAML file is deployed; write one with this text: {_text_for(path)}"
        )
    if not os.path.isfile(path):
        raise InvalidCatalogError(f"there is no file {path!r}; give the path of a YAML file of catalogs")
    if not path.endswith((".yml", ".yaml")):
        raise InvalidCatalogError(
            f"{path!r} ends with neither .yml nor .yaml, so databroker would not find it; give a YAML file of "
            "catalogs, and rename this one only if it is one"
        )


def check_catalogs(path: str, prefix: str | None = None) -> str:
    """Check a YAML file of catalogs as it will be used, and return the text to deploy.

    In the text ``{{ CATALOG_DIR }}`` is replaced by the directory of the file, because it would name the directory to
    which it is deployed. Each catalog is opened in a new process, by the environment's Python if `prefix` names one.
    Raises InvalidCatalogError if the file cannot be read or parsed, a driver cannot be imported, a variable is not set,
    or a catalog cannot be opened.
    """
    text = _with_directory(path, text_of(path))
    sources = check_sources(path, text)
    check_templates(path, text)
    for name, source in sources.items():
        _check_absolute(name, source.get("args"))
        check_variables(SimpleNamespace(name=name, _open_args=source.get("args") or {}))
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, os.path.basename(path)).write_text(text, encoding="utf-8")
        _open_elsewhere(prefix, directory, list(sources), path)
    return text


def deploy_catalogs(text: str, target: str, *, replace: bool = False) -> bool:
    """Write a text under its final name, durably and in one step; return whether it is new."""
    if os.path.exists(target) and Path(target).read_bytes() == text.encode():
        return False
    _check_names(text, target)
    try:
        with NewFile(target) as file:
            file.write(text.encode())
            file.replace() if replace else file.publish()
    except FileExistsError:
        raise InvalidCatalogError(f"{target} exists already with other content; --replace replaces it") from None
    except OSError as exc:
        raise InvalidCatalogError(
            f"{target} cannot be written ({exc.strerror or exc}); ask the owner of {os.path.dirname(target)!r}, or "
            "choose another place with --prefix"
        ) from exc
    return True


def text_of(path: str) -> str:
    """Read a YAML file; refuse one that is no text."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidCatalogError(
            f"{path} is not text in UTF-8, at byte {exc.start}; save it in this encoding"
        ) from None
    except OSError as exc:
        raise InvalidCatalogError(f"{path} {why_unreadable(path, exc)}") from exc


def check_sources(path: str, text: str) -> dict[str, Any]:
    """Return the entries in a YAML text, each of which must name a driver; refuse any other text."""
    from intake.catalog.exceptions import DuplicateKeyError
    from intake.utils import yaml_load

    try:
        content = yaml_load(text)
    except (ValueError, DuplicateKeyError) as exc:
        # a date that is none is a ValueError
        raise InvalidCatalogError(f"{path} is not valid YAML: {exc}; correct it") from None
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        problem = str(getattr(exc, "problem", exc))
        if problem.endswith(":merge'"):
            raise InvalidCatalogError(
                f"{path} has '<<'{where}, with which intake reads no YAML; write out what it inserts, or name the "
                "whole value with an alias, such as *NAME"
            ) from None
        raise InvalidCatalogError(f"{path} is not valid YAML: {problem}{where}; correct it") from None
    sources = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(sources, dict) or not sources:
        raise InvalidCatalogError(f"{path} has no catalogs; it needs 'sources:' with NAME: {{driver: ..., args: ...}}")
    for name, source in sources.items():
        if not isinstance(name, str):
            raise InvalidCatalogError(
                f"the name {name} of an entry of {path} is not text; write it as '{name}', in quotes"
            )
        driver = source.get("driver") if isinstance(source, dict) else None
        if not driver or not isinstance(driver, str | list | dict):
            raise InvalidCatalogError(f"the entry {name!r} of {path} names no driver; write 'driver: ...' below it")
    return sources


def check_templates(path: str, text: str) -> None:
    """Refuse a template that cannot be rendered, whose error in intake names neither the file nor the line."""
    sources = _items(_items(yaml.compose(text, yaml.SafeLoader)).get("sources"))
    for source in map(_items, sources.values()):
        parameters = _items(source.get("parameters"))
        declared = parameters.keys()
        for scalar in itertools.chain(*(_scalars(_items(node).get("default")) for node in parameters.values())):
            wrong = wrong_default(scalar.value)
            if wrong is not None:
                raise InvalidCatalogError(f"{wrong}, at line {scalar.start_mark.line + 1} of {path}")
        for scalar in itertools.chain(*(_scalars(source.get(key)) for key in ("args", "metadata"))):
            wrong = wrong_template(scalar.value, declared)
            if wrong is not None:
                raise InvalidCatalogError(f"{wrong} at line {scalar.start_mark.line + 1} of {path}; correct it")


def _scalars(node: Any) -> Iterator[yaml.ScalarNode]:
    """The scalars among the values in a node of YAML."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif node is not None:
        for child in node.value if isinstance(node, yaml.SequenceNode) else _items(node).values():
            yield from _scalars(child)


def _items(node: Any) -> dict[str, Any]:
    """The nodes of a mapping of YAML, by their keys."""
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _check_absolute(name: str, arguments: Any) -> None:
    """Refuse relative paths, which would depend on the working directory of each program."""
    if not isinstance(arguments, Mapping):
        return
    _check_absolute(name, arguments.get("catalog_args"))
    for argument in _PATHS:
        paths = arguments.get(argument)
        for path in [paths] if isinstance(paths, str) else paths if isinstance(paths, list) else []:
            if isinstance(path, str) and not os.path.isabs(path) and not path.startswith(("~", "{{")):
                raise InvalidCatalogError(
                    f"{argument} of the catalog {name!r} has the relative path {path!r}, which would depend on where "
                    f"Python is started; {_way_to_absolute(path)}"
                )


def _text_for(directory: str) -> str:
    """The YAML, on one line, of a catalog of the run files in a directory."""
    directory = os.path.abspath(directory)
    driver, pattern = run_files_of(directory)
    entry = {"driver": driver.name, "args": {"paths": [pattern]}}  # type: ignore[attr-defined]
    catalogs = {"sources": {os.path.basename(directory): entry}}
    return str(yaml.safe_dump(catalogs, default_flow_style=True, width=10_000)).strip()


def _way_to_absolute(path: str) -> str:
    """How to write a relative path, or one that begins with a variable of a shell."""
    of_shell = _SHELL_VARIABLE.match(path)
    if of_shell is None:
        written = os.path.join("{{ CATALOG_DIR }}", path)
        return f"write {written!r} for the directory of the YAML file, or an absolute path"
    rest = path[of_shell.end() :]
    return f"YAML knows no variables of the shell: write '{{{{ env({of_shell[1]}) }}}}{rest}', or an absolute path"


def _with_directory(path: str, text: str) -> str:
    directory = os.path.dirname(os.path.abspath(path))
    if not CATALOG_DIR.search(text):
        return text
    if re.search(r"[^\w/.+,=@ -]", directory):
        in_globs = f", which in paths is {glob.escape(directory)!r}" if glob.has_magic(directory) else ""
        raise InvalidCatalogError(
            f"{path} refers to its directory, {directory!r}, which has characters that cannot be inserted into YAML; "
            f"write the absolute path{in_globs}, instead of {{{{ CATALOG_DIR }}}}"
        )
    return CATALOG_DIR.sub(lambda _: directory, text)


def _open_elsewhere(prefix: str | None, directory: str, names: list[str], path: str) -> None:
    """Import databroker and open the catalogs in a new process, with nothing else on the search path.

    It is one of the environment's Python; ours if it has none.
    """
    pythons = ("bin/python", "python.exe", "Scripts/python.exe") if prefix is not None else ()
    python = next(filter(os.path.exists, (os.path.join(str(prefix), name) for name in pythons)), sys.executable)
    nothing = os.path.join(directory, "nothing")
    said = failure_elsewhere(python, _OPEN, names, INTAKE_PATH=directory, XDG_DATA_HOME=nothing, VIRTUAL_ENV=nothing)
    if said is None:
        raise InvalidCatalogError(
            f"the catalogs of {path} do not open within {PATIENCE} s; is their server or file system available?"
        )
    if said:
        reason = said[-1].replace("InvalidCatalogError: ", "")
        reason = away_in_words(_UNREGISTERED.sub(lambda match: unregistered(match[1]), reason))
        at_import = any("Traceback" in line for line in said)
        effect = "it would make import databroker fail" if at_import else "a catalog cannot be opened"
        raise InvalidCatalogError(without_password(f"{path} is not deployed, because {effect}: {reason}"))


def _check_names(text: str, target: str) -> None:
    """Refuse a name that another file defines, because intake 0.6.4 then raises while databroker is imported."""
    names = set(yaml.safe_load(text)["sources"])
    directories = {os.path.dirname(target), *_searched()}
    files = (Path(directory).glob(pattern) for directory in directories for pattern in ("*.yml", "*.yaml"))
    for other in sorted(map(str, itertools.chain.from_iterable(files))):
        if os.path.realpath(other) == os.path.realpath(target):
            continue
        try:
            taken = names & set(check_sources(other, text_of(other)))
        except InvalidCatalogError:
            continue
        if taken:
            raise InvalidCatalogError(
                f"the catalog {min(taken)!r} is already defined in {other}, and databroker cannot be imported with two "
                "catalogs of one name; rename one of them, or remove that file"
            )


def _searched() -> list[str]:
    import databroker
    from intake.config import conf

    return [*databroker.catalog_search_path(), *filter(None, conf.get("catalog_path") or [])]
