"""The outputs and pictures that pages show: compared with what the code of the page gives, and written where asked."""

from __future__ import annotations

import doctest
import re
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

RMS = 8.0
"""By how much the pixels of a picture may differ: versions of matplotlib place text a little differently."""


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def is_shown(shown: str, printed: str) -> bool:
    """Is this what the page shows? `...` stands for any text, as in doctest."""
    return doctest.OutputChecker().check_output(masked(shown), masked(printed), doctest.ELLIPSIS)


def compare_output(block: Block, printed: str, write: bool) -> None:
    """Fail where a page shows another output than its code prints."""
    if block.output is None or not IS_CURRENT or is_shown(block.output, printed):
        return
    if write:
        replace_output(block, printed.strip("\n") + "\n")
    else:
        assert masked(printed) == masked(block.output), f"{block.place}: write it anew by pytest {OPTION}"


def compare_picture(block: Block, directory: Path, write: bool) -> None:
    """Fail where a page shows another picture after a block than the figure that the block has drawn."""
    picture = block.picture
    if picture is not None:
        assert pyplot.get_fignums(), f"{block.place} draws nothing, and {picture.name} follows"
        drawn = directory / picture.name
        for text in pyplot.gcf().findobj(Text):
            text.set_text(re.sub(SHORT_UID, "e344b18b", text.get_text()))
        pyplot.gcf().savefig(drawn, dpi=100, bbox_inches="tight")
        if write:
            picture.parent.mkdir(exist_ok=True)
            if not picture.exists() or differs(picture, drawn):
                picture.write_bytes(drawn.read_bytes())
        else:
            assert not (difference := differs(picture, drawn)), f"{block.place}: {difference}"
    pyplot.close("all")


def differs(picture: Path, drawn: Path) -> str | None:
    """In what two pictures differ."""
    expected = drawn.with_name(f"expected-{picture.name}")
    expected.write_bytes(picture.read_bytes())  # beside which the comparison leaves files of its own
    return compare_images(str(expected), str(drawn), tol=RMS)
