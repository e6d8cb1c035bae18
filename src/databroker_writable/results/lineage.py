"""The graph of inputs and results that a run belongs to."""

from __future__ import annotations

import importlib.util
import io
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import networkx
from networkx.readwrite.text import generate_network_text

from ..errors import NotFoundError
from ..runs.packed_headers import place_in_time
from ..runs.shown_text import mermaid_label, printable
from ..runs.start_document import reference, sources_of, start_of, superseded_uids
from ..tables.public_types import RunOrUid
from ..tables.wording import counted
from .drawing import check_axes, check_matplotlib
from .header_search import Header
from .impact import SUPERSEDED, superseded_by
from .named_catalogs import NamedCatalogs
from .references import ambiguous, completed, no_such_input
from .remarks import RETRACTED, Remark, remarks, retractions
from .run_uids import uid_among, unambiguous_length
from .stream_data import words_in_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_UID = 16

STYLES: dict[str, Any] = {"derived": "solid", "superseded": "dashed"}


class Lineage(networkx.DiGraph):
    """A directed graph from inputs to results; nodes are uids.

    Nodes have ``catalog`` (a name or None), ``start`` (the start document, or None if the run cannot be reached),
    ``status``, ``label``, ``verdict`` (``"retracted"``, ``"superseded"`` by a successful run that is not retracted, or
    None), ``outdated_by`` (the uid of the nearest input with a verdict, or None), ``mark``, a text that says what is
    wrong with it, and ``why_unreached``, why it has no start document; None if it has one, or if a warning said why.
    Edges have ``kind``: ``"derived"``, or ``"superseded"`` if the result replaces the earlier one.
    """

    def __repr__(self) -> str:
        return self.tree()

    def __str__(self) -> str:
        return f"Lineage of {counted(len(self), 'run')}"

    def downstream(self, run: RunOrUid) -> Lineage:
        """Return the run and everything that was made from it.

        Parameters
        ----------
        run : run or str
            A run of this graph, its uid, or the first characters of its uid.

        Raises
        ------
        NotFoundError
            The run is not in this graph.
        InvalidMetadataError
            It is not a run, or several uids begin with these characters.

        Examples
        --------
        >>> raw = catalog.store_run({"x": [1]}, uid="raw-1")
        >>> fit = catalog.store_run({"k": [2]}, uid="fit-1", derived_from=raw)
        >>> list(catalog.lineage("raw-1").downstream("fit-1"))
        ['fit-1']
        """
        named = reference(run, "downstream")["uid"]
        try:
            uid = uid_among(self, named)
        except ValueError:
            raise ambiguous(named, "downstream") from None
        if uid is None:
            raise NotFoundError(f"the run {named!r} is not in this lineage; ask for its own, with catalog.lineage")
        derived = networkx.subgraph_view(self, filter_edge=self._is_derived)
        return self.subgraph({uid, *networkx.descendants(derived, uid)}).copy()

    def mermaid(self) -> str:
        """Return the graph as text of a Mermaid flowchart, https://mermaid.js.org/syntax/flowchart.html.

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
        names = {uid: f"n{i}" for i, uid in enumerate(self.in_order())}
        lines = ["flowchart LR"]
        for uid, name in names.items():
            lines.append(f"    {name}[{mermaid_label(self._lines(uid))}]")
        arrows = {"derived": "-->", "superseded": "-.->|superseded by|"}
        edges = [(a, b, self.edges[a, b]["kind"]) for a in names for b in sorted(self[a], key=list(names).index)]
        lines += [f"    {names[a]} {arrows[kind]} {names[b]}" for a, b, kind in edges]
        return "\n".join(lines)

    def tree(self) -> str:
        """Return the graph as text, with results below their inputs.

        A run with several inputs is shown below the first of them, and the line names the others. ``...`` means runs
        that are shown elsewhere.
        """
        return "\n".join(generate_network_text(self._in_drawing_order()))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the graph with matplotlib, inputs to the left.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            By default, axes of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ExportError
            `ax` is something else, such as the name of a file; matplotlib is not installed.
        """
        check_matplotlib()
        check_axes(ax)
        from matplotlib.lines import Line2D
        from matplotlib.patches import FancyArrowPatch

        generations = self._generations()
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=self._size(), layout="constrained")
        # each run has its own row, and its arrows their own place between the columns, so none crosses another run
        row = {uid: -y for y, uid in enumerate(networkx.dfs_preorder_nodes(self._in_drawing_order()))}
        column = {uid: x for x, uids in enumerate(generations) for uid in uids}
        turn = {
            uid: x + 0.95 - 0.2 * (y + 1) / len(uids)
            for x, uids in enumerate(generations)
            for y, uid in enumerate(uids)
        }
        for a, b, kind in self.edges(data="kind"):
            style: dict[str, Any] = {"color": "0.5", "linewidth": 1, "linestyle": STYLES[kind], "zorder": 1}
            ax.plot([column[a], turn[a], turn[a]], [row[a], row[a], row[b]], **style)
            arrow = ((turn[a], row[b]), (column[b], row[b]))
            ax.add_patch(FancyArrowPatch(*arrow, arrowstyle="-|>", mutation_scale=10, shrinkA=0, shrinkB=4, **style))
        for uid in self:
            box = {"fc": "w", "ec": "tab:red" if self.nodes[uid]["mark"] else "0.5"}
            text = "\n".join(self._lines(uid))
            ax.text(column[uid], row[uid], text, va="center", fontsize=8, parse_math=False, bbox=box)
        if any(kind == "superseded" for _, _, kind in self.edges(data="kind")):
            lines = [Line2D([], [], color="0.5", linestyle=STYLES[kind]) for kind in STYLES]
            ax.legend(lines, ["made from it", "in place of it"], loc="upper right", fontsize=7, frameon=False)
        ax.set_xlim(-0.1, len(generations))
        ax.set_ylim(-len(self) + 0.4, 0.6)
        ax.set_axis_off()
        return ax

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        forms = {"text/plain": self.tree(), "text/markdown": f"```mermaid\n{self.mermaid()}\n```"}
        if importlib.util.find_spec("matplotlib") is not None:
            drawing = self._svg()
            # also as HTML: programs that export notebooks prefer Mermaid to SVG, but show only its text
            forms |= {"image/svg+xml": drawing, "text/html": drawing[drawing.index("<svg") :]}
        return forms

    def _svg(self) -> str:
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        figure = Figure(figsize=self._size(), layout="constrained")
        self.plot(figure.subplots())
        content = io.StringIO()
        # text stays text, and the same graph gives the same file
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lineage"}):
            figure.savefig(content, format="svg", metadata={"Date": None})
        return content.getvalue().replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)

    def _size(self) -> tuple[float, float]:
        """The size of a drawing in inches."""
        longest = max(len(line) for uid in self for line in self._lines(uid))
        return (1 + 0.09 * longest) * len(self._generations()), 0.6 * (1 + len(self))

    def in_order(self) -> list[str]:
        return [uid for uids in self._generations() for uid in uids]

    def _in_drawing_order(self) -> networkx.DiGraph:
        """The graph with runs and edges in order of time, and one line of text for each run."""
        order = {uid: number for number, uid in enumerate(self.in_order())}
        drawn = networkx.DiGraph()
        drawn.add_nodes_from((uid, {"label": self._line(uid)}) for uid in order)
        drawn.add_edges_from(sorted(self.edges, key=lambda edge: (order[edge[0]], order[edge[1]])))
        return drawn

    def _line(self, uid: str) -> str:
        replaced = [self.short_name(a) for a, _, kind in self.in_edges(uid, data="kind") if kind == "superseded"]
        notes = [self.nodes[uid]["mark"], f"supersedes {', '.join(replaced)}" if replaced else ""]
        return "  ".join([*self.nodes[uid]["label"].split("\n"), *(f"({note})" for note in notes if note)])

    def _is_derived(self, uid: str, result: str) -> bool:
        """Whether a run was made from another, which it may also replace."""
        return uid in [source["uid"] for source in sources_of(self.nodes[result]["start"] or {})]

    def _lines(self, uid: str) -> list[str]:
        return [*self.nodes[uid]["label"].split("\n"), *filter(None, [self.nodes[uid]["mark"]])]

    def short_name(self, uid: str) -> str:
        """The first characters of a uid that distinguish the runs."""
        return self.nodes[uid]["label"].partition("\n")[0]

    def _generations(self) -> list[list[str]]:
        """Runs in columns, each to the right of its inputs; runs that are inputs of each other share a column."""

        def age(uid: str) -> tuple[float, str]:
            return place_in_time((self.nodes[uid]["start"] or {}).get("time")), uid

        groups = networkx.condensation(self)
        return [
            sorted((uid for group in column for uid in groups.nodes[group]["members"]), key=age)
            for column in networkx.topological_generations(groups)
        ]


def lineage_of(run: Any, catalog: Any) -> Lineage:
    """Follow a run to its inputs and its results, across catalogs."""
    graph = Lineage()
    reached = NamedCatalogs(catalog)
    first = completed(catalog, run, "lineage")
    _mention(graph, first["uid"], first["catalog"])
    is_growing = True
    while is_growing:
        pending = [uid for uid, data in graph.nodes(data=True) if "start" not in data]
        for uid in pending:
            name, header = reached.find(uid, graph.nodes[uid]["catalog"])
            start = start_of(run) if header is None and uid == first["uid"] else header and header.start
            _describe(graph, uid, name, start, header)
        results = list(reached.naming(graph))
        for name, header in results:
            _describe(graph, header.uid, name, header.start, header)
        is_growing = bool(pending or results)
    if len(graph) == 1 and graph.nodes[first["uid"]]["start"] is None:
        raise NotFoundError(no_such_input(catalog, first["uid"]))
    for data in graph.nodes.values():
        data["why_unreached"] = None if data["start"] else reached.why_unreached(data["catalog"])
    _label(graph)
    _judge(graph, retractions(reached.ask_each(remarks)))
    return graph


def _mention(graph: Lineage, uid: str, name: str | None) -> None:
    """Mark a run for look-up: a new one, or one that was not reached and may be in another catalog."""
    known = graph.nodes.get(uid)
    if known is None or (known.get("start") is None and name not in (None, known["catalog"])):
        graph.add_node(uid, catalog=name)
        graph.nodes[uid].pop("start", None)


def _describe(
    graph: Lineage, uid: str, name: str | None, start: Mapping[str, Any] | None, header: Header | None
) -> None:
    graph.add_node(uid, catalog=name, start=start and dict(start), status=header and header.status)
    for source in sources_of(start or {}):
        _mention(graph, source["uid"], source["catalog"])
        graph.add_edge(source["uid"], uid, kind="derived")
    for other in superseded_uids(start or {}):
        _mention(graph, other, name)
        graph.add_edge(other, uid, kind="superseded")


def _label(graph: Lineage) -> None:
    """Label runs with their names and the first characters of their uids."""
    long = [uid for uid in graph if len(uid) > LONGEST_UID]
    length = unambiguous_length(long)
    for uid, data in graph.nodes(data=True):
        title = printable(words_in_title(data["start"]) if data["start"] else "not reached")
        short = printable(uid[:length] if len(uid) > LONGEST_UID else uid)
        data["label"] = f"{short}\n{title}" if title else short


def _judge(graph: Lineage, retracted: Mapping[str, Remark]) -> None:
    """Mark the runs that are retracted or superseded, and what was made from them."""
    for data in graph.nodes.values():
        data.update(verdict=None, outdated_by=None, mark="")
    named = ((uid, data["status"], superseded_uids(data["start"] or {})) for uid, data in graph.nodes(data=True))
    for uid in superseded_by(named, retracted):
        graph.nodes[uid]["verdict"] = SUPERSEDED
    for uid in retracted.keys() & set(graph):
        graph.nodes[uid]["verdict"] = RETRACTED
    waiting = deque((uid, uid) for uid, verdict in graph.nodes(data="verdict") if verdict)
    while waiting:
        uid, cause = waiting.popleft()
        for result in graph[uid]:
            if graph.edges[uid, result]["kind"] == "derived" and graph.nodes[result]["outdated_by"] is None:
                graph.nodes[result]["outdated_by"] = cause
                waiting.append((result, cause))
    for data in graph.nodes.values():
        cause = data["outdated_by"]
        if data["verdict"] == RETRACTED:
            data["mark"] = RETRACTED
        elif cause is not None:
            data["mark"] = f"made from {graph.nodes[cause]['verdict']} {graph.short_name(cause)}"
