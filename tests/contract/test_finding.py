"""Where a run comes from, and how its results are found again."""

from __future__ import annotations

import inspect
import pickle
import re
import warnings

import numpy
import pytest

from databroker_writable import InvalidMetadataError, StoreWarning, build_simple_run, make_writable, open_directory
from databroker_writable.catalog.finding_methods import FindingMethods
from databroker_writable.results.selection import OPTIONS


def uid_of(run):
    return run.metadata["start"]["uid"]


def needs_order(site):
    if site.is_ferretdb and "embedded" in site.kind:
        pytest.skip("FerretDB 1.24 does not sort by a key inside an array, as the embedded layout's start.time is")


@pytest.fixture
def raw(catalog):
    return catalog.store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})


def test_a_result_records_the_run_it_was_made_from(catalog, raw):
    result = catalog.store_run({"k": [1.0]}, derived_from=raw)
    start = result.metadata["start"]
    assert start["derived_from"] == [{"uid": uid_of(raw), "catalog": catalog.name}]
    assert start["original_run_uid"] == uid_of(raw)


def test_a_run_of_another_catalog_is_recorded_with_its_catalog(catalog, tmp_path):
    from databroker_writable import open_directory

    other = open_directory(tmp_path / "raw", name="raw-data").store_run({"x": [1]})
    start = catalog.store_run({"k": [1.0]}, derived_from=[other]).metadata["start"]
    assert start["derived_from"] == [{"uid": uid_of(other), "catalog": "raw-data"}]


def test_several_inputs_have_no_single_original(catalog, raw):
    second = catalog.store_run({"x": [1]})
    start = catalog.store_run({"k": [1.0]}, derived_from=[raw, second]).metadata["start"]
    assert [source["uid"] for source in start["derived_from"]] == [uid_of(raw), uid_of(second)]
    assert "original_run_uid" not in start


def test_the_beginning_of_a_uid_is_completed(catalog, raw):
    start = catalog.store_run({"k": [1.0]}, derived_from=uid_of(raw)[:12]).metadata["start"]
    assert start["original_run_uid"] == uid_of(raw)


def test_an_unknown_uid_warns_and_is_recorded(catalog):
    with pytest.warns(StoreWarning, match="'elsewhere-1'"):
        start = catalog.store_run({"k": [1.0]}, derived_from="elsewhere-1").metadata["start"]
    assert start["derived_from"] == [{"uid": "elsewhere-1", "catalog": None}]


def test_a_known_uid_does_not_warn(catalog, raw):
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        catalog.build_simple_run({"k": [1.0]}, derived_from=uid_of(raw))


@pytest.mark.parametrize("argument", ["derived_from", "supersedes"])
def test_a_run_cannot_refer_to_itself(catalog, argument):
    warnings.simplefilter("ignore", StoreWarning)
    with pytest.raises(InvalidMetadataError, match=r"itself|own inputs"):
        catalog.store_run({"k": [1.0]}, uid="fit-1", **{argument: "fit-1"})
    assert len(catalog) == 0


def test_a_cycle_is_refused(catalog):
    with pytest.warns(StoreWarning):
        first = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from="fit-3")
    second = catalog.store_run({"k": [1.0]}, uid="fit-2", derived_from=first)
    with pytest.raises(InvalidMetadataError, match=r"'fit-3'.*own inputs"):
        catalog.store_run({"k": [1.0]}, uid="fit-3", derived_from=second)


def test_a_run_that_a_search_found_is_recorded_with_the_name_of_its_catalog(catalog, raw):
    (found,) = catalog.search({"sample": "Cu"}).values()
    run = catalog.build_simple_run({"k": [1.0]}, derived_from=found)
    assert run.metadata["start"]["derived_from"] == [{"uid": uid_of(raw), "catalog": catalog.name}]


def test_all_runs_of_a_search_are_inputs_and_a_stream_or_a_whole_catalog_is_refused(catalog, raw):
    other = catalog.store_run({"x": [1]}, {"sample": "Ni"})
    found = catalog.search({"uid": {"$in": [uid_of(raw), uid_of(other)]}})
    result = catalog.store_run({"k": [1.0]}, derived_from=found)
    named = result.metadata["start"]["derived_from"]
    assert sorted(source["uid"] for source in named) == sorted(map(uid_of, (raw, other)))
    assert {tuple(source) for source in named} == {("uid", "catalog")}
    assert {source["catalog"] for source in named} == {catalog.name}
    with pytest.raises(InvalidMetadataError, match="takes a run, not one of its streams; give the run"):
        catalog.store_run({"k": [1.0]}, derived_from=raw.primary)
    with pytest.raises(InvalidMetadataError, match=r"takes runs, not a catalog; choose some: catalog\.search"):
        catalog.store_run({"k": [1.0]}, derived_from=catalog)


def test_a_table_of_runs_is_refused_as_inputs_but_its_index_is_taken(catalog, raw):
    table = catalog.table()
    for argument in ("derived_from", "supersedes"):
        with pytest.raises(
            InvalidMetadataError, match=rf"{argument} takes runs, not a DataFrame; .*list\(table\.index\)"
        ):
            catalog.store_run({"k": [1.0]}, **{argument: table})
    with pytest.raises(InvalidMetadataError, match="derived_from takes runs, not a DataFrame"):
        catalog.table(derived_from=table)
    result = catalog.store_run({"k": [1.0]}, derived_from=list(table.index))
    assert [source["uid"] for source in result.metadata["start"]["derived_from"]] == [uid_of(raw)]


def test_an_operator_that_no_backend_knows_is_named(catalog, raw):
    catalog.store_run({"k": [1.0]}, {"sample": "Cu"}, derived_from=raw)
    for ask in (catalog.table, catalog.latest):
        with pytest.raises(InvalidMetadataError, match=r"the query cannot be answered: .*\$bad.*; write conditions"):
            ask({"sample": {"$bad": 1}})
        with pytest.raises(InvalidMetadataError, match="the query cannot be answered"):
            ask({"sample": {"$bad": 1}}, derived_from=raw)
    with pytest.raises(InvalidMetadataError, match="the query cannot be answered"):
        catalog.results_of(raw, sample={"$bad": 1})


def test_a_value_that_an_operator_does_not_take_is_a_wrong_query(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, {"sample": "Cu"})
    with pytest.raises(InvalidMetadataError, match="the query cannot be answered"):
        catalog.table({"sample": {"$in": 5}})


def test_a_condition_that_is_given_twice_is_refused(catalog, raw):
    with pytest.raises(InvalidMetadataError, match="conditions on 'sample' in the query and as a keyword"):
        catalog.table({"sample": "Fe"}, sample="Cu")
    with pytest.raises(InvalidMetadataError, match="table takes columns by position"):
        catalog.table(columns=["sample"])


def test_what_only_looks_like_a_catalog_is_no_catalog(catalog, raw):
    class Roles(dict):
        search = None

    run = catalog.build_simple_run({"k": [1.0]}, derived_from=Roles(dark=raw))
    assert run.metadata["start"]["derived_from"][0]["role"] == "dark"
    with pytest.raises(InvalidMetadataError, match="derived_from takes a run"):
        catalog.store_run({"k": [1.0]}, derived_from=re.compile("x"))


def test_a_header_of_databroker_1_is_a_run_too(catalog, raw):
    run = catalog.build_simple_run({"k": [1.0]}, derived_from=catalog.v1[uid_of(raw)])
    assert run.metadata["start"]["derived_from"] == [{"uid": uid_of(raw), "catalog": catalog.name}]


def test_an_input_that_is_given_twice_is_recorded_once(catalog, raw):
    run = catalog.build_simple_run({"k": [1.0]}, derived_from=[raw, uid_of(raw)], supersedes=[raw, raw])
    assert run.metadata["start"]["derived_from"] == [{"uid": uid_of(raw), "catalog": catalog.name}]
    assert run.metadata["start"]["supersedes"] == [uid_of(raw)]


def test_the_beginning_of_several_uids_is_refused(catalog):
    for uid in ("1234-a", "1234-b", "scan-a", "scan-b"):
        catalog.store_run({"x": [1]}, uid=uid)
    for beginning in ("1234", "scan"):
        with pytest.raises(InvalidMetadataError, match=f"'{beginning}'.*several uids"):
            catalog.build_simple_run({"k": [1.0]}, derived_from=beginning)
    with pytest.raises(InvalidMetadataError, match="''"):
        catalog.build_simple_run({"k": [1.0]}, derived_from="")


def test_a_beginning_of_digits_is_no_scan_id(catalog):
    catalog.store_run({"x": [1]}, {"scan_id": 12345678}, uid="of-scan")
    run = catalog.store_run({"x": [1]}, uid="12345678-abc")
    derived = catalog.build_simple_run({"k": [1.0]}, derived_from="12345678")
    assert derived.metadata["start"]["original_run_uid"] == uid_of(run)


@pytest.mark.parametrize("wrong", [5, object(), [None]])
def test_what_is_not_a_run_is_refused(catalog, wrong):
    with pytest.raises(InvalidMetadataError, match="derived_from takes a run"):
        catalog.store_run({"k": [1.0]}, derived_from=wrong)


def test_versions_and_parameters_are_recorded(catalog):
    parameters = {"order": numpy.int64(3), "window": numpy.array([0.5, 1.0]), "method": "spline"}
    start = catalog.store_run({"k": [1.0]}, versions=["numpy"], parameters=parameters).metadata["start"]
    assert start["versions"]["numpy"] == numpy.__version__
    assert {"python", "databroker", "databroker_writable"} <= set(start["versions"])
    assert start["parameters"] == {"order": 3, "window": [0.5, 1.0], "method": "spline"}


def test_a_package_that_is_not_installed_is_named(catalog):
    with pytest.raises(InvalidMetadataError, match=r"'no-such-package'.*not installed"):
        catalog.store_run({"k": [1.0]}, versions=["no-such-package"])
    with pytest.raises(InvalidMetadataError, match="names of packages"):
        catalog.store_run({"k": [1.0]}, versions=[numpy])


def test_provenance_comes_with_builders_too(catalog, raw):
    with catalog.run_builder(derived_from=raw, parameters={"order": 3}, versions=["numpy"]) as builder:
        builder.add_stream("primary", data={"k": [1.0]})
    start = builder.stored_run.metadata["start"]
    assert start["original_run_uid"] == uid_of(raw)
    assert start["parameters"] == {"order": 3}
    assert build_simple_run({"k": [1.0]}, supersedes=raw).metadata["start"]["supersedes"] == [uid_of(raw)]


def test_the_results_of_a_run_come_newest_first(catalog, raw, site):
    first = catalog.store_run({"k": [1.0]}, time=1.7e9, derived_from=raw, metadata={"analysis": "fit"})
    second = catalog.store_run({"k": [1.0]}, time=1.8e9, derived_from=raw, metadata={"analysis": "sum"})
    other = catalog.store_run({"k": [1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        third = catalog.store_run({"k": [1.0]}, time=1.75e9, derived_from=["elsewhere", raw])
    found = [uid_of(run) for run in (second, third, first)]
    # FerretDB 1.24 does not sort by a key inside an array, as the embedded layout's start.time is
    in_order = list if not site.is_ferretdb or "embedded" not in site.kind else sorted
    for way in (raw, uid_of(raw), uid_of(raw)[:10], catalog.v1[uid_of(raw)]):
        assert in_order(catalog.results_of(way)) == in_order(found)
    assert list(catalog.results_of(raw, analysis="fit")) == [uid_of(first)]
    assert list(catalog.results_of(other)) == []


def test_search_results_have_results_too_and_take_no_runs(catalog, raw):
    results = catalog.results_of(raw)
    with pytest.raises(PermissionError):
        results.store_run({"k": [1.0]})


def test_the_latest_is_the_newest_that_nothing_supersedes(catalog, raw):
    first = catalog.store_run({"k": [1.0]}, time=1.7e9, metadata={"analysis": "fit"}, derived_from=raw)
    corrected = catalog.store_run({"k": [1.1]}, time=1.8e9, metadata={"analysis": "fit"}, supersedes=first)
    assert uid_of(catalog.latest(analysis="fit")) == uid_of(corrected)
    assert uid_of(catalog.latest({"analysis": "fit"})) == uid_of(corrected)
    withdrawn = catalog.store_run({"k": [0.0]}, time=1.6e9, metadata={"note": "withdraws"}, supersedes=[corrected])
    with pytest.raises(KeyError, match="analysis"):
        catalog.latest(analysis="fit")
    assert uid_of(catalog.latest(note="withdraws")) == uid_of(withdrawn)


def test_the_lineage_leads_from_inputs_to_results(catalog, raw):
    fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    with pytest.warns(StoreWarning):
        summary = catalog.store_run({"k": [1.0]}, uid="sum-1", derived_from=[fit, "elsewhere-1"])
    better = catalog.store_run({"k": [1.0]}, uid="fit-2", derived_from=raw, supersedes=fit)
    for run in (raw, fit, summary, better, "fit-1"):
        graph = catalog.lineage(run)
        assert set(graph.edges(data="kind")) == {
            (uid_of(raw), "fit-1", "derived"),
            (uid_of(raw), "fit-2", "derived"),
            ("fit-1", "fit-2", "superseded"),
            ("fit-1", "sum-1", "derived"),
            ("elsewhere-1", "sum-1", "derived"),
        }
    assert graph.nodes["elsewhere-1"]["start"] is None
    assert graph.nodes["fit-1"]["catalog"] == catalog.name
    assert graph.mermaid().startswith("flowchart LR\n")
    assert "sum-1" in graph.tree()
    assert set(graph._repr_mimebundle_()) == {"text/plain", "text/markdown", "image/svg+xml", "text/html"}


def test_the_lineage_is_drawn(catalog, raw):
    from matplotlib.figure import Figure

    catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    axes = catalog.lineage(raw).plot(Figure().subplots())
    assert {text.get_text() for text in axes.texts} == {f"{uid_of(raw)[:8]}\nCu", "fit-1"}


def test_the_defaults_of_a_catalog_are_in_every_run_built_through_it(site):
    defaults = {"beamline": "BL7", "user": "ana"}
    if site.kind == "adopted":
        catalog = make_writable(site.stock(**site.args), metadata_defaults=defaults)
    else:
        catalog = site.open(metadata_defaults=defaults)
    start = catalog.store_run({"k": [1.0]}, metadata={"user": "ben"}).metadata["start"]
    assert (start["beamline"], start["user"]) == ("BL7", "ben")
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"k": [1.0]})
    assert builder.stored_run.metadata["start"]["beamline"] == "BL7"


def test_a_uid_is_never_taken_for_a_regular_expression(catalog):
    catalog.store_run({"x": [1]}, uid="my-scan-1")
    catalog.store_run({"k": [1.0]}, uid="fit-of-scan", derived_from="my-scan-1")
    for text in ("my.scan", "scan-1", "scan(1", "[", "my-scan-.*", "my-scan-1\n"):
        with pytest.warns(StoreWarning, match="does not have"):
            run = catalog.build_simple_run({"k": [1.0]}, derived_from=text, supersedes=text)
        assert run.metadata["start"]["derived_from"] == [{"uid": text, "catalog": None}]
        assert run.metadata["start"]["supersedes"] == [text]
        with pytest.warns(StoreWarning, match="has no run .* no run that was made from it"):
            assert len(catalog.results_of(text)) == 0
        with pytest.raises(KeyError):
            catalog.lineage(text)
    assert list(catalog.results_of("my-sc")) == ["fit-of-scan"]


def test_a_run_is_not_given_the_results_of_another_whose_uid_begins_with_its_own(catalog):
    for number in (1, 10, 11):
        catalog.store_run({"x": [1]}, uid=f"raw-{number}")
    for number in (10, 11):
        catalog.store_run({"k": [1.0]}, uid=f"fit-{number}", derived_from=f"raw-{number}")
    assert list(catalog.results_of("raw-1")) == []
    with pytest.raises(InvalidMetadataError, match=r"'raw-'.*several uids"):
        catalog.results_of("raw-")


def test_a_list_of_uids_that_another_program_wrote_is_found(catalog, raw):
    catalog.store_run({"k": [1.0]}, {"derived_from": [uid_of(raw)]}, uid="by-hand")
    assert list(catalog.results_of(raw)) == ["by-hand"]
    assert list(catalog.lineage(raw).successors(uid_of(raw))) == ["by-hand"]


def test_the_latest_is_successful_unless_another_status_is_asked_for(catalog, site):
    good = catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, time=1.6e9)
    failed = catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, time=1.7e9, exit_status="fail", supersedes=good)
    assert uid_of(catalog.latest(analysis="fit")) == uid_of(good)
    assert uid_of(catalog.latest(analysis="fit", status="fail")) == uid_of(failed)
    with pytest.raises(KeyError, match="'abort'"):
        catalog.latest(analysis="fit", status="abort")
    with pytest.raises(InvalidMetadataError, match="'failed'"):
        catalog.latest(status="failed")
    needs_order(site)
    assert uid_of(catalog.latest(analysis="fit", status=None)) == uid_of(failed)


def test_where_only_failed_runs_fit_the_error_says_how_to_get_them(catalog):
    failed = catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, exit_status="fail")
    with pytest.raises(KeyError, match="status=None finds any"):
        catalog.latest(analysis="fit")
    assert uid_of(catalog.latest(analysis="fit", status=None)) == uid_of(failed)


def test_results_can_be_chosen_by_their_status(catalog, raw):
    good = catalog.store_run({"k": [1.0]}, derived_from=raw)
    failed = catalog.store_run({"k": [1.0]}, derived_from=raw, exit_status="fail")
    assert len(catalog.results_of(raw)) == 2
    assert list(catalog.results_of(raw, status="success")) == [uid_of(good)]
    assert list(catalog.results_of(raw, status="fail")) == [uid_of(failed)]
    assert list(catalog.results_of(raw, status="abort")) == []


def test_the_role_of_an_input_is_kept(catalog, raw):
    named = {"uid": uid_of(raw), "role": "dark"}
    start = catalog.store_run({"k": [1.0]}, derived_from=[named, raw]).metadata["start"]
    assert start["derived_from"] == [
        {"uid": uid_of(raw), "catalog": catalog.name, "role": "dark"},
        {"uid": uid_of(raw), "catalog": catalog.name},
    ]
    assert start["original_run_uid"] == uid_of(raw)


@pytest.mark.parametrize(
    "wrong", [{"uid": "raw-1", "roll": "dark"}, {"uid": "raw-1", "role": 5}, {"role": "dark"}, {"uid": ""}]
)
def test_a_reference_that_says_what_it_should_not_is_refused(catalog, wrong):
    with pytest.raises(InvalidMetadataError, match="derived_from"):
        catalog.build_simple_run({"k": [1.0]}, derived_from=wrong)
    with pytest.raises(InvalidMetadataError, match="supersedes"):
        catalog.build_simple_run({"k": [1.0]}, supersedes={"uid": "raw-1", "role": "dark"})


def test_conditions_are_joined_on_every_backend(catalog, site):
    for number in range(4):
        catalog.store_run({"x": [1]}, {"n": number, "sample": "Cu"}, time=1.6e9 + number)
    either = {"$or": [{"n": 0}, {"$and": [{"n": 1}, {"sample": "Cu"}]}]}
    assert len(catalog.search(either)) == 2
    assert len(catalog.search({"sample": "Cu"}).search(either)) == 2
    assert len(catalog.search({"$nor": [{"n": 0}, {"n": 1}]}).search(either)) == 0
    needs_order(site)
    assert catalog.latest(either).metadata["start"]["n"] == 1


def test_a_built_run_is_an_input_like_any_other(catalog):
    built = build_simple_run({"x": [1]}, uid="built-1")
    with pytest.warns(StoreWarning, match="'built-1'"):
        start = catalog.store_run({"k": [1.0]}, derived_from=built).metadata["start"]
    assert start["original_run_uid"] == "built-1"


def test_inputs_are_recorded_with_their_roles(catalog, raw):
    dark, later = (catalog.store_run({"x": [0]}) for _ in range(2))
    start = catalog.store_run({"k": [1.0]}, derived_from={"data": raw, "dark": [dark, uid_of(later)[:12]]}).metadata[
        "start"
    ]
    assert start["derived_from"] == [
        {"uid": uid_of(raw), "catalog": catalog.name, "role": "data"},
        {"uid": uid_of(dark), "catalog": catalog.name, "role": "dark"},
        {"uid": uid_of(later), "catalog": catalog.name, "role": "dark"},
    ]
    assert "original_run_uid" not in start
    run = build_simple_run({"k": [1.0]}, derived_from={"data": raw, "dark": {"uid": uid_of(dark), "catalog": "raw"}})
    assert [source["role"] for source in run.metadata["start"]["derived_from"]] == ["data", "dark"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"": "raw-1"}, "a role in derived_from must be text"),
        ({5: "raw-1"}, "a role in derived_from must be text"),
        ({"dark": 5}, "derived_from takes a run"),
        ({"dark": {"uid": "raw-1", "role": "flat"}}, r"'raw-1' the roles 'dark' and 'flat'"),
        ({}, "without its uid"),
    ],
)
def test_a_role_that_cannot_be_recorded_is_refused(catalog, wrong, message):
    warnings.simplefilter("ignore", StoreWarning)
    for build in (catalog.build_simple_run, build_simple_run):
        with pytest.raises(InvalidMetadataError, match=message):
            build({"k": [1.0]}, derived_from=wrong)


def test_results_are_found_by_the_role_of_their_input(catalog, raw):
    dark = catalog.store_run({"x": [0]})
    first = catalog.store_run({"k": [1.0]}, derived_from={"data": raw, "dark": dark})
    second = catalog.store_run({"k": [1.0]}, derived_from={"data": dark})
    assert sorted(catalog.results_of(dark)) == sorted([uid_of(first), uid_of(second)])
    assert list(catalog.results_of(dark, role="dark")) == [uid_of(first)]
    assert list(catalog.results_of(dark, role="data", status="success")) == [uid_of(second)]
    assert list(catalog.results_of(dark, role="flat")) == []
    with pytest.raises(InvalidMetadataError, match="role must be text"):
        catalog.results_of(dark, role=5)
    assert uid_of(catalog.latest(derived_from={"dark": dark})) == uid_of(first)
    assert uid_of(catalog.latest(derived_from={"data": raw, "dark": dark})) == uid_of(first)
    with pytest.raises(KeyError, match=f"derived_from {uid_of(raw)}"):
        catalog.latest(derived_from={"dark": raw})


def test_the_latest_of_one_input_is_found(catalog, raw, site):
    needs_order(site)
    other = catalog.store_run({"x": [1]})
    older = catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, time=1.6e9, derived_from=raw)
    newer = catalog.store_run({"k": [1.0]}, {"analysis": "sum"}, time=1.7e9, derived_from=[raw])
    catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, time=1.8e9, derived_from=other)
    assert uid_of(catalog.latest(derived_from=raw)) == uid_of(newer)
    assert uid_of(catalog.latest({"analysis": "fit"}, derived_from=uid_of(raw)[:12])) == uid_of(older)
    with pytest.raises(InvalidMetadataError, match=r"'elsewhere-1'.*catalog\[uid\]"):
        catalog.latest(derived_from="elsewhere-1")


def test_the_calibration_that_was_valid_for_a_scan(catalog, site):
    needs_order(site)
    first, wrong, second = (
        catalog.store_run({"k": [1.0]}, {"plan_name": "calibrate"}, time=1.7e9 + 100 * n, exit_status=status)
        for n, status in enumerate(["success", "fail", "success"])
    )
    scan = catalog.store_run({"x": [1]}, {"plan_name": "scan"}, time=1.7e9 + 150)
    for before in (scan, uid_of(scan), uid_of(scan)[:12], 1.7e9 + 150, numpy.float64(1.7e9 + 150)):
        assert uid_of(catalog.latest(plan_name="calibrate", before=before)) == uid_of(first)
    assert uid_of(catalog.latest(plan_name="calibrate")) == uid_of(second)
    assert uid_of(catalog.latest(plan_name="calibrate", status="fail", before=scan)) == uid_of(wrong)
    better = catalog.store_run({"k": [1.1]}, {"plan_name": "calibrate"}, time=1.7e9 + 300, supersedes=first)
    assert uid_of(catalog.latest(plan_name="calibrate", before=scan)) == uid_of(first)
    assert uid_of(catalog.latest(plan_name="calibrate")) == uid_of(better)
    with pytest.raises(KeyError, match=r"'calibrate'.*before 2023-11-1"):
        catalog.latest(plan_name="calibrate", before=first)
    with pytest.raises(InvalidMetadataError, match=r"before must be a time or a run, not 'no-such-scan'"):
        catalog.latest(before="no-such-scan")
    with pytest.raises(InvalidMetadataError, match=r"before is 20231114, which looks like the date 2023-11-14; .*text"):
        catalog.latest(before=20231114)


def test_retracted_runs_are_passed_over(site, tmp_path):
    needs_order(site)
    catalog = site.open(annotations=str(tmp_path / "notes")) if site.is_collecting else site.open()
    raw = catalog.store_run({"x": [1]})
    good = catalog.store_run({"k": [1.0]}, {"analysis": "fit"}, time=1.7e9, derived_from=raw)
    wrong = catalog.store_run({"k": [2.0]}, {"analysis": "fit"}, time=1.8e9, derived_from=raw, supersedes=good)
    assert uid_of(catalog.latest(analysis="fit")) == uid_of(wrong)
    catalog.retract(wrong, reason="wrong edge")
    assert uid_of(catalog.latest(analysis="fit")) == uid_of(good)
    assert uid_of(catalog.latest(analysis="fit", status=None)) == uid_of(good)
    assert uid_of(catalog.latest(analysis="fit", status="retracted")) == uid_of(wrong)
    assert list(catalog.results_of(raw)) == [uid_of(good)]
    assert list(catalog.results_of(raw, status="retracted")) == [uid_of(wrong)]
    catalog.retract(good, reason="wrong edge, too")
    with pytest.raises(KeyError, match="status='retracted' finds them"):
        catalog.latest(analysis="fit")
    catalog.restore(wrong)
    assert uid_of(catalog.latest(analysis="fit")) == uid_of(wrong)


def test_the_results_of_a_run_can_be_searched_reloaded_and_sent_elsewhere(catalog, raw, site):
    fits = [catalog.store_run({"k": [float(n)]}, {"n": n}, time=1.7e9 + n, derived_from=raw) for n in range(3)]
    catalog.store_run({"k": [9.0]}, {"n": 1})
    results = catalog.results_of(raw)
    results.force_reload()
    assert sorted(results) == sorted(map(uid_of, fits))
    assert list(results.search({"n": 1})) == [uid_of(fits[1])]
    assert list(results.results_of(raw, n=2)) == [uid_of(fits[2])]
    assert results[uid_of(fits[1])].primary.read()["k"].values.tolist() == [1.0]
    if not site.is_mongo:
        assert sorted(pickle.loads(pickle.dumps(results))) == sorted(results)


def test_a_key_that_no_run_has_is_named_with_what_was_meant(catalog, raw):
    for call in (lambda: catalog.latest(smaple="Cu"), lambda: catalog.latest({"smaple": "Cu"})):
        with pytest.raises(KeyError, match="has the key 'smaple'; did you mean 'sample'"):
            call()
    with pytest.raises(KeyError, match="no run with the status 'success'"):
        catalog.latest(sample="Ni")
    with pytest.warns(StoreWarning, match="nothing was found: .* 'smaple'; did you mean 'sample'"):
        assert len(catalog.results_of(raw, smaple="Cu")) == 0
    with pytest.warns(StoreWarning, match="nothing was found: .* 'smaple'; did you mean 'sample'"):
        assert len(catalog.table({"smaple": "Cu"})) == 0
    assert len(catalog.table({"sample": "Ni"})) == len(catalog.results_of(raw, sample="Cu")) == 0


def test_a_column_of_a_table_may_be_asked_for_twice_or_be_the_uid(catalog, raw):
    catalog.store_run({"x": [1]}, {"sample": "Ni"})
    table = catalog.table(None, "uid", "uid", "sample")
    assert list(table["uid"]) == list(table.index)
    assert list(table)[-1] == "uid"


def test_a_table_takes_conditions_as_keywords(catalog, raw):
    made = catalog.store_run({"x": [1]}, {"sample": "Ni"}, derived_from=raw)
    assert list(catalog.table(sample="Ni", derived_from=raw).index) == [made.metadata["start"]["uid"]]
    assert list(catalog.table({"sample": "Ni"}, "sample", time={"$gt": 0}).index) == [made.metadata["start"]["uid"]]
    with pytest.warns(StoreWarning, match="nothing was found: .* 'smaple'; did you mean 'sample'"):
        assert len(catalog.table(smaple="Ni")) == 0
    with pytest.warns(StoreWarning, match="no run of .* has the key 'tag'; did you mean 'tags'"):
        assert len(catalog.table(tag="bad-frames")) == 0


def test_each_finder_knows_its_options():
    for method, options in OPTIONS.items():
        parameters = inspect.signature(getattr(FindingMethods, method)).parameters.values()
        named = [p.name for p in parameters if p.kind == p.KEYWORD_ONLY or p.name == "status"]
        assert set(options) == set(named), method


def test_an_option_of_another_method_is_not_taken_for_a_key(catalog, raw):
    with pytest.raises(InvalidMetadataError, match=r"table has no option 'before'; .* catalog\.latest"):
        catalog.table(before=raw)
    with pytest.raises(InvalidMetadataError, match=r"latest has no option 'role'; .* catalog\.results_of"):
        catalog.latest(role="dark")
    with pytest.raises(InvalidMetadataError, match=r"latest has no option 'since'; .* catalog\.table"):
        catalog.latest(since="2d")
    with pytest.raises(InvalidMetadataError, match="results_of has no option 'limit'"):
        catalog.results_of(raw, limit=3)
    with pytest.raises(KeyError, match="no run fits"):
        catalog.latest({"since": "2d"})
