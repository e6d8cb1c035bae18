"""Text of documents, made safe to show: on a terminal, and in a drawing."""

from __future__ import annotations

_ENTITIES = str.maketrans({"&": "#amp;", "<": "#lt;", ">": "#gt;", '"': "#quot;", "`": "#96;", "#": "#35;"})


def printable(text: str) -> str:
    """Give one line, with a space in place of every character that could steer a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def mermaid_label(lines: list[str]) -> str:
    """Give a label of a Mermaid flowchart, whose text is neither markup nor an end of the drawing."""
    return '"' + "<br/>".join(printable(line).translate(_ENTITIES) for line in lines) + '"'
