"""Keep remarks on runs as small JSON files, each written once and never changed."""

from __future__ import annotations

import contextlib
import json
import os

from ..errors import warn_user
from ..runs.document_parts import Document
from .durable_file import NewFile

SUFFIX = ".json"


class RemarkFolder:
    """The remarks in a directory, which need not exist; each file is read once.

    Parameters
    ----------
    path : str

    Examples
    --------
    >>> folder = RemarkFolder("remarks")
    >>> remark = {"uid": "remark-1", "run": "fit-1", "text": "beam dump", "tags": [], "user": "me", "time": 1.0}
    >>> folder.add(remark)
    >>> [remark["text"] for remark in folder.read()]
    ['beam dump']
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: dict[str, Document | None] = {}

    def add(self, remark: Document) -> None:
        """Publish a remark durably; an existing one does not change."""
        path = self.file_of(remark)
        if os.path.exists(path):
            return
        with NewFile(path) as file:
            file.write(json.dumps(remark, ensure_ascii=False, indent=1).encode())
            file.publish()

    def read(self) -> list[Document]:
        """Return all remarks, in any order; warn once about each file that is not a remark."""
        try:
            names = [name for name in os.listdir(self.path) if name.endswith(SUFFIX) and not name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            names = []
        self._known = {name: self._known[name] if name in self._known else self._read_file(name) for name in names}
        return [remark for remark in self._known.values() if remark is not None]

    def remove(self, remark: Document) -> None:
        """Remove a remark of a deleted run."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.file_of(remark))

    def file_of(self, remark: Document) -> str:
        """Path of the file of a remark."""
        return os.path.join(self.path, remark["uid"] + SUFFIX)

    def _read_file(self, name: str) -> Document | None:
        path = os.path.join(self.path, name)
        try:
            return read_remark(path)
        except FileNotFoundError:
            return None  # removed meanwhile
        except (ValueError, OSError) as exc:
            warn_user(f"{path} is not a remark on a run ({exc}); restore it from a copy, or move it away")
            return None


def read_remark(path: str) -> Document:
    """Read a remark; raise ValueError if the file is not a remark, and OSError if it cannot be read."""
    with open(path, encoding="utf-8") as file:
        remark = json.load(file)
    if not isinstance(remark, dict) or not is_remark(remark):
        raise ValueError("it lacks keys of a remark")
    if remark["uid"] + SUFFIX != os.path.basename(path):
        raise ValueError("its name differs from its uid")
    return remark


def is_remark(remark: Document) -> bool:
    """Whether a document has the required keys."""
    texts = [remark.get(key) for key in ("uid", "run", "text", "user")]
    tags = remark.get("tags")
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(remark.get("time"), int | float)
        and isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
    )
