"""How a pickle or YAML opens a catalog again in another process, without secrets."""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from intake.catalog.local import LocalCatalogEntry

from ..errors import InvalidCatalogError, did_you_mean
from ..runs import upstream
from ..tables.wording import short
from .options import without_options

PASSWORD_VARIABLE = "MONGODB_PASSWORD"
"""Replaces a password that was given in Python; set it in the environment that opens the catalog again."""

GENERIC_DRIVER = "databroker_writable.drivers.WritableCatalog"

_PASSWORD_IN_URI = re.compile(r"([A-Za-z][\w+.-]*://[^:/@]*):[^@/]*@")
_PASSWORD_OPTION = re.compile(r"([?&][^=&\s]*password[^=&\s]*=|\bAWS_SESSION_TOKEN(?::|%3A))[^&,\s]*", re.IGNORECASE)
_SECRET_ARGUMENT = re.compile(r"passw|secret|token|api_?key", re.IGNORECASE)
_PASSWORD_TEMPLATE = f"{{{{ env({PASSWORD_VARIABLE}) }}}}"
_FUNCTIONS = ("env", "client_env", "shell", "client_shell")
_CALLED_TEMPLATE = re.compile(rf"\{{\{{.*\b({'|'.join(_FUNCTIONS)})\s*\(")
_VARIABLE = re.compile(r"\benv\(\s*['\"]?(\w+)['\"]?\s*[,)]")
_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_MARK = re.compile(r"\{[{%#]")
CATALOG_DIR = re.compile(r"\{\{\s*CATALOG_DIR\s*\}\}")


@dataclass(frozen=True)
class Recipe:
    """A driver and its arguments, as YAML templates."""

    name: str
    driver: str
    args: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def yaml(self) -> dict[str, Any]:
        """The entry that intake writes as YAML."""
        entry = {
            "driver": self.driver,
            "description": self.description,
            "metadata": self.metadata,
            "args": _changed(self.args, _for_yaml),
        }
        return {"sources": {self.name: entry}}


def describe_catalog(catalog: Any) -> Recipe:
    """Return the recipe that opens a writable catalog again.

    Passwords from the environment remain templates, as in the YAML. Others are replaced by a template that reads
    `PASSWORD_VARIABLE`.
    """
    captured = upstream.named_arguments(catalog, *upstream.captured_arguments(catalog))
    metadata = _changed(dict(captured.pop("metadata", None) or catalog.metadata or {}), _as_template)
    name = captured.pop("name", None) or catalog.name
    raw = upstream.entry_arguments(catalog._entry)
    # those of the generic driver are flattened
    raw = {**(raw.get("catalog_args") or {}), **raw} if isinstance(raw, Mapping) else {}
    directory = upstream.entry_directory(catalog._entry)
    args = _templates(raw, captured, directory)
    driver = _importable(type(catalog))
    if driver is None:
        args, options = without_options(args)
        driver, args = (
            GENERIC_DRIVER,
            {"catalog_driver": upstream.driver_name(catalog), "catalog_args": args, **options},
        )
    return Recipe(name, driver, args, metadata, catalog.description or "")


def reopen(recipe: Recipe) -> Any:
    """Open a catalog from its recipe; unpickling calls this."""
    entry = LocalCatalogEntry(
        name=recipe.name,
        description=recipe.description,
        driver=recipe.driver,
        args=recipe.args,
        metadata=recipe.metadata,
        catalog_dir=recipe.metadata.get("catalog_dir", ""),
    )
    check_variables(entry)
    return entry()


def pickled(recipe: Recipe) -> tuple[Any, tuple[Recipe]]:
    """The value of ``__reduce__``; raises if another process cannot import the driver."""
    driver = recipe.args.get("catalog_driver", recipe.driver)
    if "<locals>" in driver:
        raise pickle.PicklingError(f"the driver {driver} is defined inside a function; move it to a module")
    for key, value in recipe.args.get("catalog_args", recipe.args).items():
        if type(value).__name__ == "Database":
            remedy = "pickle the catalog and search again" if recipe.name == upstream.VIEW else "open it with a URI"
            raise pickle.PicklingError(f"the catalog {recipe.name!r} holds a database object as {key}; {remedy}")
    return reopen, (recipe,)


def check_variables(entry: Any) -> None:
    """Refuse a YAML entry whose environment variables are not set.

    intake 0.6.4 replaces them by an empty string: ``{{ env(DATA) }}/runs`` becomes ``/runs``.
    """
    texts: list[Any] = []
    declared = upstream.declared_parameters(entry)
    _changed(upstream.entry_arguments(entry), texts.append)
    for default in declared.values():
        wrong = wrong_default(default)
        if wrong is not None:
            raise InvalidCatalogError(f"{wrong}, in the catalog {entry.name!r}")
    for text in texts:
        wrong = wrong_template(text, declared)
        if wrong is not None:
            raise InvalidCatalogError(f"{wrong} in the catalog {entry.name!r}; correct it in its YAML file")
        for name in _missing_variables(text) if isinstance(text, str) and "{{" in text else ():
            raise InvalidCatalogError(
                f"the environment variable {name}, which the catalog {entry.name!r} uses, is not set "
                f"or is empty; set it before opening the catalog, as in export {name}=..."
            )


def wrong_template(text: Any, declared: Collection[str] = ()) -> str | None:
    """What is wrong with a text that intake renders as a template, such as an open bracket or an unknown function.

    Of variables that are not `declared` as parameters, only those are wrong that were meant otherwise: others may be
    given when the catalog is opened.
    """
    if not isinstance(text, str) or _MARK.search(text) is None:
        return None
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes

    jinja = Environment()
    try:
        tree = jinja.parse(text)
        jinja.compile(tree)  # which refuses unknown filters and tests
    except TemplateSyntaxError as exc:
        why = exc.message
    else:
        undeclared = meta.find_undeclared_variables(tree)
        called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
        unknown = called & undeclared - {*_FUNCTIONS, *jinja.globals}
        shown = {
            node.name for part in tree.find_all(nodes.Output) for node in part.nodes if isinstance(node, nodes.Name)
        }
        meant = {name: _meant_by(name) for name in sorted(shown & undeclared - {*declared})}
        if unknown:
            why = f"{min(unknown)!r} is not a function of intake, which has {', '.join(_FUNCTIONS)}"
        elif any(meant.values()):
            name = next(filter(meant.__getitem__, meant))
            why = f"nothing has the name {name!r}, so it would be empty; write {meant[name]}"
        else:
            return None
    return f"the template {short(without_password(text))} is wrong ({why})"


def wrong_default(default: Any) -> str | None:
    """What is wrong with the default of a parameter that holds a template: intake 0.6.4 does not render it."""
    found = _TEMPLATE.search(default) if isinstance(default, str) else None
    if found is None:
        return None
    remedy = "write the template into the args"
    if found[1].startswith(_FUNCTIONS):
        alone = "" if found[0] == default.strip() else ", and the rest into the args"
        remedy = f"write {found[1]} without braces{alone}"
    shown = short(without_password(default))
    return f"the default {shown} of a parameter holds a template, which is not rendered; {remedy}"


def _meant_by(name: str) -> str:
    """What was meant by the name of a variable that intake replaces by nothing; empty if it is not known."""
    if name in os.environ:
        return f"env({name})"
    return "CATALOG_DIR" if name != "CATALOG_DIR" and did_you_mean(name.upper(), ["CATALOG_DIR"]) else ""


def _missing_variables(text: str) -> list[str]:
    """The environment variables that are not set, and whose values a template needs: ``or`` can replace one."""
    from jinja2.sandbox import SandboxedEnvironment

    names = _VARIABLE.findall(text)
    needed: list[str] = []

    def env(name: str, default: str = "") -> str:
        class Missing(str):
            """What intake gives for such a variable, an empty text, which notes that it is used."""

            def __str__(self) -> str:
                needed.append(name)
                return ""

        return os.environ.get(name) or default or Missing()

    jinja = SandboxedEnvironment()
    jinja.globals |= {"env": env, **dict.fromkeys(_FUNCTIONS[1:], lambda *_: "")}
    try:
        jinja.from_string(text).render({"CATALOG_DIR": "", **{name: name for name in names}})
    except Exception:
        # intake says what is wrong with the template
        return [name for name in names if not os.environ.get(name)]
    return needed


def as_template(text: str) -> str:
    """Return the template that intake renders as this text; most texts are their own."""
    if "{" not in text and "\r" not in text and not text.endswith("\n"):
        return text
    # no brace and no call is left to see for those who look for templates
    quoted = re.sub(r"[{}(]", lambda found: f"\\x{ord(found.group()):02x}", repr(text))
    return f"{{{{ {quoted} }}}}"


def without_password(text: str) -> str:
    """Replace passwords in a URI by a template that reads them from the environment."""
    text = _PASSWORD_IN_URI.sub(rf"\1:{_PASSWORD_TEMPLATE}@", text)
    return _PASSWORD_OPTION.sub(rf"\1{_PASSWORD_TEMPLATE}", text)


def _templates(raw: Any, value: Any, directory: str | None, *, name: str = "") -> Any:
    """The templates that give a value again; those of a YAML entry are kept where they read what may be secret."""
    if isinstance(raw, str) and _CALLED_TEMPLATE.search(raw):
        return CATALOG_DIR.sub(lambda found: as_template(directory or ""), raw)
    if isinstance(value, str):
        if value and _SECRET_ARGUMENT.search(name):
            return _PASSWORD_TEMPLATE
        return _PASSWORD_TEMPLATE.join(map(as_template, without_password(value).split(_PASSWORD_TEMPLATE)))
    if isinstance(value, Mapping):
        raws = raw if isinstance(raw, Mapping) else {}
        return {key: _templates(raws.get(key), item, directory, name=str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        templates = raw if isinstance(raw, list | tuple) and len(raw) == len(value) else [None] * len(value)
        return [_templates(r, item, directory) for r, item in zip(templates, value, strict=True)]
    if isinstance(value, os.PathLike):
        return as_template(os.fspath(value))
    return value


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Nested dicts, lists and tuples with each other value in them changed."""
    if isinstance(value, Mapping):
        return {key: _changed(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_changed(item, change) for item in value)
    return change(value)


def _as_template(value: Any) -> Any:
    return as_template(value) if isinstance(value, str) else value


def _for_yaml(value: Any) -> Any:
    """The name of a class, function or database, as databroker's drivers accept it from YAML."""
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    return _importable(value) or f"{type(value).__name__} {getattr(value, 'name', '')}".strip()


def _importable(thing: Any) -> str | None:
    """The dotted path of a class or function that can be imported, else None."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if module is None or name is None or getattr(sys.modules.get(module), name, None) is not thing:
        return None
    return f"{module}.{name}"
