"""Parse arguments: runs by number, metadata as KEY=VALUE, pictures, spans of time, and dates."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable
from typing import Any

import click

from ..results.time_arguments import FORMS, moment_in, seconds_in
from .other_names import for_option
from .printing import say
from .targets import file_in_place_of_catalog, is_catalog

_NUMBER = re.compile(r"-\d")
_LIKE_JSON = re.compile(r"\s*(\{|\[.*[\",])")
"""Text that may have been meant as a dict or a list of JSON."""

_TEXT = {"TEXT", "NAME", "TAG", "TIME", "KEY=VALUE", "COLUMN=TEXT"}
"""What the help calls arguments and values of options that can have blanks."""


class PlainCommand(click.Command):
    """A command that says what to write in place of options and words that it does not take."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            try:
                values, extra, _ = self.make_parser(ctx).parse_args(list(args))
                self.check_words(ctx, args, values, extra)
            except click.NoSuchOption as exc:
                remedy = for_option(ctx.info_name, exc.option_name)
                if remedy is None:
                    raise
                raise click.UsageError(f"No such option {exc.option_name!r}; {remedy}", ctx) from None
        return super().parse_args(ctx, args)

    def check_words(self, ctx: click.Context, args: list[str], values: dict[str, Any], extra: list[str]) -> None:
        """Refuse options and words that the command does not take."""
        if extra and "--help" not in args:
            catalog = str(values.get("catalog"))
            usage = " ".join(self.collect_usage_pieces(ctx))
            remedy = _quoted(extra, args, self.get_params(ctx)) or f"{ctx.info_name} takes {usage}"
            raise click.UsageError(file_in_place_of_catalog(catalog) or f"unexpected: {' '.join(extra)}; {remedy}", ctx)


def _quoted(extra: list[str], args: list[str], params: list[click.Parameter]) -> str:
    """How to write extra words and the text before them as one text; empty if no text is before them."""
    begins = [begin for begin in range(1, len(args)) if args[begin : begin + len(extra)] == extra]
    if not begins or any(word.startswith("-") for word in extra):
        return ""
    *before, word = args[: begins[-1]]
    takers = {option: param for param in params for option in param.opts if option.startswith("-")}
    option, equals, value = word.partition("=")
    if option in takers and equals:
        taker, word = takers[option], value
    elif before and before[-1] in takers and not getattr(takers[before[-1]], "is_flag", False):
        taker = takers[before[-1]]
    else:
        taker = [param for param in params if isinstance(param, click.Argument)][-1]
    is_text = (taker.metavar or str(taker.name).upper()) in _TEXT and not word.startswith("-")
    return f'text with blanks needs quotation marks, as in "{" ".join([word, *extra])}"' if is_text else ""


class CommandWithRuns(PlainCommand):
    """A command whose arguments can begin with a negative number: -1 is the latest run, not an option."""

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parser.ignore_unknown_options = True
        return parser

    def check_words(self, ctx: click.Context, args: list[str], values: dict[str, Any], extra: list[str]) -> None:
        params = self.get_params(ctx)
        given = [values.get(param.name) for param in params if isinstance(param, click.Argument)]
        escaped = args[args.index("--") :] if "--" in args else []
        for word in (*_texts(given), *extra):
            if word.startswith("-") and word != "-" and not _NUMBER.match(word) and word not in escaped:
                options = [option for param in params for option in param.opts]
                raise click.NoSuchOption(word.partition("=")[0], possibilities=options, ctx=ctx)
        super().check_words(ctx, args, values, extra)


class CommandOnRuns(CommandWithRuns):
    """A command on runs of one catalog, which comes first."""

    def invoke(self, ctx: click.Context) -> Any:
        catalog, *runs = _texts([ctx.params[param.name] for param in self.params if isinstance(param, click.Argument)])
        if runs and not is_catalog(catalog) and is_catalog(runs[0]):
            raise click.UsageError(
                f"{catalog!r} is not a catalog, but {runs[0]!r} is; the catalog comes first, then the run: "
                f"{ctx.command_path} {runs[0]} {catalog}",
                ctx,
            )
        return super().invoke(ctx)


def _texts(values: Any) -> list[str]:
    """The texts in nested sequences; click has a mark of its own for what is missing."""
    if isinstance(values, str):
        return [values]
    return [text for value in values for text in _texts(value)] if isinstance(values, list | tuple) else []


def parse_target(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Return the name of a catalog, which may be new, but no file; a click callback."""
    is_file = None if name is None else file_in_place_of_catalog(name)
    if is_file is not None:
        raise click.BadParameter(is_file)
    return name


def parse_metadata(ctx: click.Context, param: click.Parameter, pairs: Iterable[str]) -> dict[str, Any]:
    """Return a dict of all KEY=VALUE; a click callback."""
    texts = _pairs(pairs, "KEY=VALUE", "sample=Cu")
    values = {key: parse_value(text) for key, text in texts.items()}
    for key, value in values.items():
        if value == texts[key] and _LIKE_JSON.match(value) and not ctx.resilient_parsing:
            say(f"Warning: {key} is stored as the text {value}, which is not JSON", error=True)
    return values


def parse_units(ctx: click.Context, param: click.Parameter, pairs: Iterable[str]) -> dict[str, str]:
    """Return a dict of all COLUMN=TEXT; a click callback."""
    return _pairs(pairs, "COLUMN=TEXT", "energy=eV")


def _pairs(pairs: Iterable[str], form: str, example: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not {form}; write it like {example}")
        if key in values:
            raise click.BadParameter(f"the key {key!r} is given twice; give it once")
        values[key] = value
    return values


def parse_sources(ctx: click.Context, param: click.Parameter, words: Iterable[str]) -> list[tuple[str, str]]:
    """Return the role, which may be empty, and the run of each UID or ROLE=UID; a click callback."""
    sources = []
    for word in words:
        role, equals, uid = word.rpartition("=")
        if not uid or (equals and not role):
            raise click.BadParameter(f"{word!r} is not UID or ROLE=UID; write it like 5dbb2ed2 or dark=5dbb2ed2")
        sources.append((role, uid))
    return sources


def parse_value(text: str) -> Any:
    """Return the value of JSON text (``8979``, ``true``, ``[1, 2]``, ``"29"``), and other text unchanged."""
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except ValueError:
        return text


def _finite(text: str) -> float:
    """A number that float64 holds; 1e400 may also be a name, and NaN and Infinity, which Python reads, are no JSON."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def parse_picture(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    """Return the path of a picture, whose suffix gives the format; a click callback."""
    if path is not None and not os.path.splitext(path)[1]:
        chooses = any(other.name == "column" for other in ctx.command.params)
        raise click.BadParameter(
            f"{path!r} has no suffix that gives the format; name a file, such as {path}.png"
            + (f"; --column {path} chooses what is drawn" if chooses else "")
        )
    return path


def parse_span(ctx: click.Context, param: click.Parameter, text: str) -> float:
    """Return the seconds of a span; a click callback."""
    seconds = seconds_in(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is not a span of time; write it like 1d, 12h, 30m or 0")
    return seconds


def parse_time(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Return POSIX seconds for a date, a local time, or a span before now; a click callback."""
    if text is None:
        return None
    seconds = moment_in(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is not a time; write it like {FORMS}")
    return seconds
