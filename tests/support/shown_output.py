"""The outputs and pictures that pages show: compared with what the code of the page gives, and written where asked."""

from __future__ import annotations

import collections
import doctest
import re
import shutil
from pathlib import Path

import pandas
from matplotlib import pyplot
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text
from packaging.version import Version

from support.documentation import Block, replace_output

OPTION = "--write-outputs"

IS_CURRENT = Version(pandas.__version__) >= Version("3")
"""Pages show what current versions print; pandas 2 says `object` where pandas 3 says `str`."""

SHORT_UID = r"\b[0-9a-f]{8}\b"

MASKS = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID"),
    (SHORT_UID, "UID-----"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\b1\.\d+e\+09\b", "SECONDS"),
    (r"\b\d+\.\d+\.\d+\b", "VERSION"),
]
"""What differs from one day and one machine to the next."""

PICTURED_UIDS = ("e344b18b", "8128c23f", "d8e7e2f0", "93d5e0f6")
"""Stand in pictures in place of those of the day."""

RMS = 8.0
"""By how much the pixels of a picture may differ: versions of matplotlib place text a little differently."""


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return trimmed(text)


def trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def is_shown(shown: str, printed: str) -> bool:
    """Is this what the page shows? `...` stands for any text, as in doctest."""
    return doctest.OutputChecker().check_output(masked(shown), masked(printed), doctest.ELLIPSIS)


def compare_output(block: Block, printed: str, write: bool) -> None:
    """Fail where a page shows another output than its code prints."""
    if block.output is None or not IS_CURRENT or is_shown(block.output, printed):
        return
    if write:
        replace_output(block, trimmed(printed))
    else:
        assert masked(printed) == masked(block.output), f"{block.place}: write it anew by pytest {OPTION}"


def compare_picture(block: Block, directory: Path, write: bool) -> None:
    """Fail where a page shows another picture after a block than the figure that the block has drawn."""
    if block.picture is not None:
        assert pyplot.get_fignums(), f"{block.place} draws nothing, and {block.picture.name} follows"
        uids = iter(PICTURED_UIDS)
        pictured: dict[str, str] = collections.defaultdict(lambda: next(uids))
        for text in pyplot.gcf().findobj(Text):
            text.set_text(re.sub(SHORT_UID, lambda match: pictured[match[0]], text.get_text()))
        drawn = directory / block.picture.name
        pyplot.gcf().savefig(drawn, dpi=100, bbox_inches="tight")
        compare_drawing(block.picture, drawn, write)
    pyplot.close("all")


def compare_drawing(shown: Path, drawn: Path, write: bool) -> None:
    """Fail where a picture is another than the one that was drawn now."""
    if write and (not shown.exists() or differs(shown, drawn)):
        shown.parent.mkdir(exist_ok=True)
        shutil.copy(drawn, shown)
    difference = differs(shown, drawn)
    assert not difference, f"{difference}\ndraw it anew by pytest {OPTION}"


def differs(shown: Path, drawn: Path) -> str | None:
    """In what two pictures differ."""
    expected = drawn.with_name(f"expected-{shown.name}")  # beside which the comparison leaves files of its own
    shutil.copy(shown, expected)
    return compare_images(str(expected), str(drawn), tol=RMS)
