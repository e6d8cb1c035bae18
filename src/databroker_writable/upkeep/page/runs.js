// The list of runs on Tiled's page: time, sample, name and status, the newest first, where Tiled lists uids alone.
(() => {
  const { createElement: element, useEffect, useState } = window.React;
  const LENGTH = 20;
  const FIELDS = {
    time: "start.time",
    sample: "start.sample",
    name: "start.analysis_name || start.plan_name",
    status: "retracted && 'retracted' || stop.exit_status",
  };
  const COLUMNS = [
    ["Time", "start.time", (run) => new Date(1000 * run.time).toLocaleString()],
    ["Sample", "start.sample", (run) => shown(run.sample)],
    ["Name", null, (run) => shown(run.name)],
    ["Status", "status", (run) => run.status ?? "unfinished"],
    ["Uid", "start.uid", (run, uid) => uid],
  ];
  const CELL = { padding: "8px 12px", textAlign: "left", borderBottom: "1px solid #ddd" };

  function shown(value) {
    if (value === null || value === undefined) return "";
    return typeof value === "object" ? (value.name ?? JSON.stringify(value)) : String(value);
  }

  async function found(offset, sort, signal) {
    const chosen = Object.entries(FIELDS).map(([name, path]) => `${name}: ${path}`);
    const query = new URLSearchParams({
      "page[offset]": offset,
      "page[limit]": LENGTH,
      fields: "metadata",
      select_metadata: `{${chosen.join(", ")}}`,
      sort,
    });
    const response = await fetch(`/api/v1/search/?${query}`, { signal });
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    const { data, meta } = await response.json();
    return { runs: data, count: meta.count };
  }

  function Runs() {
    const [offset, setOffset] = useState(0);
    const [sort, setSort] = useState("-start.time");
    const [list, setList] = useState({ runs: [], count: 0 });
    useEffect(() => {
      const request = new AbortController();
      found(offset, sort, request.signal)
        .then(setList)
        .catch((error) => error.name === "AbortError" || setList({ runs: [], count: 0, error: error.message }));
      return () => request.abort();
    }, [offset, sort]);

    const sortBy = (key) => {
      setSort(sort === key ? `-${key}` : key);
      setOffset(0);
    };
    const arrow = (key) => (sort === key ? " ↑" : sort === `-${key}` ? " ↓" : "");
    const headings = COLUMNS.map(([title, key]) =>
      key
        ? element("th", { key: title, style: { ...CELL, cursor: "pointer" }, onClick: () => sortBy(key) }, title + arrow(key))
        : element("th", { key: title, style: CELL }, title),
    );
    const rows = list.runs.map(({ id, attributes }) =>
      element(
        "tr",
        { key: id },
        COLUMNS.map(([title, key, text]) =>
          element("td", { key: title, style: CELL }, link(id, text(attributes.metadata.selected, id))),
        ),
      ),
    );
    const range = list.count ? `${offset + 1}–${Math.min(offset + LENGTH, list.count)} of ${list.count}` : "no runs";
    const turn = (title, by, isPossible) =>
      element("button", { type: "button", disabled: !isPossible, onClick: () => setOffset(offset + by) }, title);
    return element(
      "div",
      { style: { fontFamily: "Roboto, sans-serif", fontSize: 14, overflowX: "auto" } },
      element("h2", { style: { fontWeight: 500 } }, "Runs"),
      element(
        "table",
        { style: { borderCollapse: "collapse", width: "100%" } },
        element("thead", null, element("tr", null, headings)),
        element("tbody", null, rows),
      ),
      element(
        "p",
        { style: { display: "flex", gap: 12, alignItems: "center" } },
        turn("Newer", -LENGTH, offset > 0),
        turn("Older", LENGTH, offset + LENGTH < list.count),
        list.error ?? range,
      ),
    );
  }

  function link(uid, text) {
    const style = { color: "inherit", textDecoration: text === uid ? "underline" : "none" };
    return element("a", { href: `/ui/browse/${encodeURIComponent(uid)}`, style }, text);
  }

  window.__TILED_SPEC_VIEWS__ = { ...window.__TILED_SPEC_VIEWS__, CatalogOfBlueskyRuns: Runs };
})();
