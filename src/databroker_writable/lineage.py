"""The graph of inputs and results that a run belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import networkx

from .finding import starts
from .provenance import reference


class Lineage(networkx.DiGraph):
    """A directed graph from inputs to results; nodes are uids.

    Nodes have ``catalog`` (a name or None), ``start`` (the start document, or None where the run cannot be
    reached) and ``label``; edges have ``kind``, ``"derived"`` or ``"superseded"``.
    """

    def mermaid(self) -> str:
        """Give the graph as the text of a Mermaid flowchart, https://mermaid.js.org/syntax/flowchart.html.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1]}, metadata={"sample": "Cu"}, uid="raw-1")
        >>> fit = catalog.store_run({"k": [2]}, uid="fit-1", derived_from=raw)
        >>> print(catalog.lineage(fit).mermaid())
        flowchart LR
            n0["raw-1<br/>Cu"]
            n1["fit-1"]
            n0 --> n1
        """
        names = {uid: f"n{i}" for i, uid in enumerate(networkx.lexicographical_topological_sort(self))}
        lines = ["flowchart LR"]
        for uid, name in names.items():
            text = "<br/>".join(self.nodes[uid]["label"].split("\n")).replace('"', "#quot;")
            lines.append(f'    {name}["{text}"]')
        arrows = {"derived": "-->", "superseded": "-.->|superseded by|"}
        lines += [f"    {names[a]} {arrows[kind]} {names[b]}" for a, b, kind in self.edges(data="kind")]
        return "\n".join(lines)

    def tree(self) -> str:
        """Give the graph as an indented text, results below their inputs.

        A run of several inputs stands below the first of them in full, and below the others by its uid.
        """
        seen: set[str] = set()
        roots = [uid for uid in self if not self.in_degree(uid)]
        return "\n".join(line for root in roots for line in self._branch(root, "", seen))

    def plot(self, ax: Any = None) -> Any:
        """Draw the graph with matplotlib, inputs to the left.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            By default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(max(4, 2.5 * len(self._generations())), 4), layout="constrained")
        positions = {
            uid: (column, -row) for column, uids in enumerate(self._generations()) for row, uid in enumerate(uids)
        }
        styles = ["dashed" if kind == "superseded" else "solid" for _, _, kind in self.edges(data="kind")]
        networkx.draw_networkx_edges(self, positions, ax=ax, style=styles, node_size=2500, edge_color="0.5")
        for uid, (x, y) in positions.items():
            ax.text(x, y, self.nodes[uid]["label"], ha="center", va="center", fontsize=8, bbox={"fc": "w", "ec": "0.5"})
        ax.margins(0.25)
        ax.set_axis_off()
        return ax

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": self.tree(), "text/markdown": f"```mermaid\n{self.mermaid()}\n```"}

    def _branch(self, uid: str, indent: str, seen: set[str]) -> Iterator[str]:
        label = self.nodes[uid]["label"].replace("\n", "  ")
        yield f"{indent}{uid}  (above)" if uid in seen else f"{indent}{label}"
        if uid not in seen:
            seen.add(uid)
            for result in self.successors(uid):
                yield from self._branch(result, indent + "    ", seen)

    def _generations(self) -> list[list[str]]:
        return [list(uids) for uids in networkx.topological_generations(self)]


def lineage_of(run: Any, catalogs: Mapping[str | None, Any]) -> Lineage:
    """Follow a run to its inputs and its results.

    Parameters
    ----------
    run : run or str
    catalogs : mapping
        Catalogs by name; under None the one to look in first.
    """
    graph = Lineage()
    waiting = [reference(run, "lineage")]
    while waiting:
        source = waiting.pop()
        uid = str(source["uid"])
        if graph.nodes.get(uid, {}).get("label"):
            continue
        name, start = _found(uid, source["catalog"], catalogs)
        graph.add_node(uid, catalog=name, start=start, label=_label(uid, start))
        for other in (start or {}).get("derived_from") or []:
            graph.add_edge(other["uid"], uid, kind="derived")
            waiting.append({"uid": other["uid"], "catalog": other.get("catalog")})
        for other in (start or {}).get("supersedes") or []:
            graph.add_edge(other, uid, kind="superseded")
            waiting.append({"uid": other, "catalog": name})
        waiting += _results(uid, catalogs)
    return graph


def _found(uid: str, name: str | None, catalogs: Mapping[str | None, Any]) -> tuple[str | None, Any]:
    for candidate in dict.fromkeys([name, None]):
        catalog = catalogs.get(candidate)
        if catalog is None:
            continue
        try:
            start = catalog[uid].metadata["start"]
        except KeyError:
            continue
        if start["uid"] == uid:
            return catalog.name, dict(start)
    return name, None


def _results(uid: str, catalogs: Mapping[str | None, Any]) -> Iterable[dict[str, Any]]:
    catalog = catalogs[None]
    for query in ({"derived_from.uid": uid}, {"supersedes": uid}):
        for start in starts(catalog.search(query)):
            yield {"uid": start["uid"], "catalog": catalog.name}


def _label(uid: str, start: Mapping[str, Any] | None) -> str:
    if start is None:
        return f"{uid[:8]}\nnot reached"
    parts = [uid if len(uid) <= 16 else uid[:8]]
    title = [str(start[key]) for key in ("analysis_name", "plan_name", "sample") if isinstance(start.get(key), str)]
    if title:
        parts.append(" ".join(title))
    return "\n".join(parts)
