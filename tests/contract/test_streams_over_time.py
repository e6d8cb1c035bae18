"""Table after table in one stream: they agree, and numbers and times go on."""

from __future__ import annotations

import numpy
import pandas
import pytest
import xarray

from databroker_writable import InvalidTableError, to_dataset
from support import sites

BACKENDS = [
    *sites.FILE_SITES,
    *(f"{name}[{server}]" for name in sites.MONGO_SITES for server in ("mongomock", "server")),
]
on_every_backend = pytest.mark.parametrize("site", BACKENDS, indirect=True)
on_files = pytest.mark.parametrize("site", ["msgpack"], indirect=True)


def events(site, uid, part, stream="primary"):
    """One part of the Events of a stream, in the order in which they are read."""
    documents = site.documents(uid)
    descriptors = {doc["uid"] for name, doc in documents if name == "descriptor" and doc["name"] == stream}
    pages = [doc for name, doc in documents if name == "event_page" and doc["descriptor"] in descriptors]
    return [value for page in pages for value in page[part]]


def descriptors(site, uid, stream="primary"):
    return [doc for name, doc in site.documents(uid) if name == "descriptor" and doc["name"] == stream]


@on_every_backend
def test_numbers_go_on_and_times_rise_across_streams_and_pieces(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("baseline", data={"T": [300.5]})
        for start in (4, 7):
            builder.add_data("primary", data={"x": [start, start + 1, start + 2]})
        builder.add_data("baseline", data={"T": [301.5]})
    assert events(site, builder.uid, "seq_num") == list(range(1, 10))
    assert events(site, builder.uid, "seq_num", "baseline") == [1, 2]
    times = events(site, builder.uid, "time")
    assert (numpy.diff(times) >= 0.999e-6).all()
    stop = site.open()[builder.uid].metadata["stop"]
    assert stop["num_events"] == {"primary": 9, "baseline": 2}
    assert stop["time"] >= max(times)


@on_every_backend
def test_what_the_user_gives_for_events_is_stored(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1]}, time=1.7e9)
        builder.add_data(
            "primary",
            data={"x": [2, 3]},
            time=[1.7e9 + 5, 1.7e9 + 6.5],
            timestamps={"x": [1.7e9 + 4, 1.7e9 + 6]},
            seq_num=[10, 12],
            uid=["second", "third"],
        )
        builder.add_data("primary", data={"x": [4]}, time=[1.7e9 + 7])
    assert events(site, builder.uid, "time") == [1.7e9, 1.7e9 + 5, 1.7e9 + 6.5, 1.7e9 + 7]
    assert events(site, builder.uid, "seq_num") == [1, 10, 12, 13]
    assert events(site, builder.uid, "uid")[1:3] == ["second", "third"]
    pages = [doc for name, doc in site.documents(builder.uid) if name == "event_page"]
    assert [t for page in pages for t in page["timestamps"]["x"]][1:3] == [1.7e9 + 4, 1.7e9 + 6]
    assert to_dataset(site.open()[builder.uid])["x"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time": [5.0]}, r"time has shape \(1,\), but there are 2 Events"),
        ({"time": [1.8e9, 1.7e9]}, "time does not increase at 1700000000.0"),
        ({"time": [1.8e9, 1.8e9]}, "time does not increase at 1800000000.0"),
        ({"time": [5.0, 6.0]}, "time does not increase at 5.0"),
        ({"time": [1.8e9, numpy.nan]}, "time holds nan at position 1; give POSIX seconds, finite"),
        ({"time": [1.8e9, numpy.inf]}, "time holds inf at position 1"),
        ({"time": ["noon", "one"]}, "time must be an array of POSIX seconds"),
        ({"time": numpy.inf}, "time holds inf"),
        ({"time": "noon"}, "time must be an array of POSIX seconds"),
        ({"time": numpy.array(["2030-01-01", "2030-01-02"], "M8[ns]")}, r"POSIX seconds, not of datetime64\[ns\]"),
        ({"time": [1.8e12, 1.8e12 + 1]}, "time holds 1800000000000.0 at position 0; .*milliseconds.*divide by 1000"),
        ({"time": 5.0}, "time does not increase at 5.0"),
        ({"timestamps": {"x": [1.0]}}, r"timestamps\['x'\] has shape \(1,\), but there are 2 Events"),
        ({"timestamps": [1.0, 2.0]}, "timestamps must be a dict of an array for each column"),
        ({"timestamps": {"y": [1.0, 2.0]}}, r"timestamps has the columns \['y'\], but the data have \['x'\]"),
        ({"timestamps": {"x": [1.0, numpy.nan]}}, r"timestamps\['x'\] holds nan at position 1"),
        ({"seq_num": [5]}, "seq_num must be an array of 2 integers"),
        ({"seq_num": [5.5, 6.5]}, "seq_num must be an array of 2 integers"),
        ({"seq_num": [1, 2]}, "seq_num must increase, and start above the last one, 2"),
        ({"seq_num": [4, 4]}, "seq_num must increase"),
        ({"uid": ["only-one"]}, "uid has 1 value for 2 Events"),
    ],
)
@on_files
def test_what_the_user_gives_for_events_is_checked(catalog, site, given, message):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2]})
        with pytest.raises(InvalidTableError, match=message):
            builder.add_data("primary", data={"x": [3, 4]}, **given)
        # what was refused leaves nothing behind
        builder.add_data("primary", data={"x": [5]})
    assert to_dataset(site.open()[builder.uid])["x"].values.tolist() == [1, 2, 5]
    assert events(site, builder.uid, "seq_num") == [1, 2, 3]


@pytest.mark.parametrize(
    ("first", "later", "sides"),
    [
        ({"x": [1]}, {"x": [1], "y": [1]}, ["['x']", "['x', 'y']"]),
        ({"x": [True]}, {"x": [1.5]}, ["'|b1'", "'<f8'"]),
        ({"x": ["a"]}, {"x": [1]}, ["'<U1'", "'<i8'"]),
        ({"x": [[1, 2]]}, {"x": [[1, 2, 3]]}, ["[2]", "[3]"]),
        (
            xarray.Dataset({"v": (("t", "x"), [[1]])}, {"x": [5]}),
            xarray.Dataset({"v": (("t", "x"), [[1]])}, {"x": [6]}),
            ["[5]", "[6]"],
        ),
        ({"x": [1]}, pandas.DataFrame({"x": [1]}), ["'mapping'", "'frame'"]),
    ],
    ids=["columns", "dtype", "strings", "shape", "coordinates", "kind"],
)
@on_every_backend
def test_a_table_that_does_not_agree_is_refused_showing_both(catalog, site, first, later, sides):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, such as a page of arrays")
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=first)
        with pytest.raises(InvalidTableError) as caught:
            builder.add_data("primary", data=later)
        builder.add_data("primary", data=first)
    assert all(side in str(caught.value) for side in ("stream 'primary'", *sides)), str(caught.value)
    assert site.open()[builder.uid].metadata["stop"]["num_events"] == {"primary": 2}


@on_every_backend
def test_a_readout_loop_adds_single_values_and_integers_may_become_floats(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": 0, "y": 0.5, "label": "a"}, units={"x": "mm"})
        builder.add_data("primary", data={"x": 1.0, "y": 1, "label": "bc"})
        builder.add_data("primary", data={"x": 0.25, "y": 2.0, "label": "d"})
        builder.add_data("primary", data={"x": [3, 4], "y": [5, 6], "label": "e"})
    back = to_dataset(site.open()[builder.uid])
    assert back["x"].values.tolist() == [0.0, 1.0, 0.25, 3.0, 4.0]
    assert back["x"].dtype == "float64"
    assert back["x"].attrs == {"units": "mm"}
    assert back["y"].values.tolist() == [0.5, 1.0, 2.0, 5.0, 6.0]
    assert back["label"].values.tolist() == ["a", "bc", "d", "e", "e"]
    assert builder.stored_run.primary.read()["x"].values.tolist() == [0.0, 1.0, 0.25, 3.0, 4.0]
    declared = [doc["data_keys"]["x"] for doc in descriptors(site, builder.uid)]
    assert [(data_key["dtype"], data_key["dtype_numpy"]) for data_key in declared] == [
        ("integer", "<i8"),
        ("number", "<f8"),
    ]


@on_files
@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"x": numpy.int32([1])}, {"x": numpy.int64([2**40])}),
        ({"x": numpy.float64([0.5])}, {"x": [2**53 + 1]}),
        ({"x": [True]}, {"x": [1]}),
        ({"x": [[1, 2]]}, {"x": [[0.5, 1.5]]}),
    ],
    ids=["beyond int32", "beyond float64", "bools", "arrays"],
)
def test_numbers_that_the_first_dtype_does_not_hold_are_refused(catalog, site, first, later):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=first)
        with pytest.raises(InvalidTableError, match="stream 'primary' began with the dtype_numpy of column 'x'"):
            builder.add_data("primary", data=later)
    assert to_dataset(site.open()[builder.uid])["x"].shape[0] == 1


@on_files
@pytest.mark.parametrize("first", [[1, 2], [1.5, 2.5]], ids=["integers", "floats"])
def test_none_beside_nan_after_numbers_without_missing_ones_is_refused_by_name(catalog, site, first):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": first})
        with pytest.raises(InvalidTableError, match=r"column 'x' of stream 'primary' has None for missing values"):
            builder.add_data("primary", data={"x": [numpy.nan, None]})
    assert to_dataset(site.open()[builder.uid])["x"].values.tolist() == first


@on_every_backend
def test_the_configuration_can_be_updated(catalog, site):
    def motor(velocity):
        return {
            "motor": {
                "data": {"velocity": velocity},
                "timestamps": {"velocity": 1.7e9},
                "data_keys": {"velocity": {"source": "test", "dtype": "number", "shape": []}},
            }
        }

    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2]}, configuration=motor(1.5))
        builder.update_configuration("primary", motor(2.5))
        builder.add_data("primary", data={"x": [3]})
    run = site.open()[builder.uid]
    assert [d["configuration"]["motor"]["data"]["velocity"] for d in descriptors(site, builder.uid)] == [1.5, 2.5]
    assert run.primary.config["motor"].read()["velocity"].values.tolist() == [1.5, 1.5, 2.5]
    assert run.primary.read()["x"].values.tolist() == [1, 2, 3]
    assert to_dataset(run)["x"].values.tolist() == [1, 2, 3]
    assert events(site, builder.uid, "seq_num") == [1, 2, 3]


@on_every_backend
def test_what_the_user_declares_wins_over_what_is_inferred(catalog, site):
    configuration = {
        "motor": {
            "data": {"velocity": 1.5},
            "timestamps": {"velocity": 1.7e9},
            "data_keys": {"velocity": {"source": "PV:velocity", "dtype": "number", "shape": []}},
        }
    }
    with catalog.run_builder() as builder:
        builder.add_stream(
            "primary",
            data={"x": [1, 2], "y": [3.5, 4.5]},
            data_keys={"x": {"source": "PV:x", "units": "mm", "precision": 3}},
            object_keys={"motor": ["x"], "detector": ["y"]},
            configuration=configuration,
            hints={"motor": {"fields": ["x"]}},
            uid="the-descriptor",
        )
    (descriptor,) = descriptors(site, builder.uid)
    assert descriptor["uid"] == "the-descriptor"
    assert descriptor["data_keys"]["x"] == {
        "source": "PV:x", "dtype": "integer", "dtype_numpy": "<i8", "shape": [], "units": "mm", "precision": 3,
        "object_name": "motor",
    }  # fmt: skip
    assert descriptor["data_keys"]["y"]["source"] == "databroker-writable"
    assert descriptor["object_keys"]["motor"] == ["x"]
    assert descriptor["object_keys"]["detector"] == ["y"]
    assert descriptor["object_keys"]["table"] == []
    assert descriptor["hints"] == {"motor": {"fields": ["x"]}}
    run = site.open()[builder.uid]
    assert run.primary.config["motor"].read()["velocity"].values.tolist() == [1.5, 1.5]
    assert not run.primary.config["detector"].read()
    assert to_dataset(run)["y"].values.tolist() == [3.5, 4.5]


@on_every_backend
def test_a_stream_can_be_defined_first_and_filled_later(catalog, site):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, such as a page of arrays")
    data_keys = {
        "x": {"source": "PV:x", "dtype": "integer", "shape": [], "units": "mm"},
        "spectrum": {"source": "PV:mca", "dtype": "array", "shape": [3]},
    }
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data_keys=data_keys)
        builder.add_data("primary", data={"x": [1, 2], "spectrum": [[1, 2, 3], [4, 5, 6]]})
        with pytest.raises(InvalidTableError, match=r"\['x', 'spectrum'\].*\['x'\]"):
            builder.add_data("primary", data={"x": [3]})
        builder.add_data("primary", data={"x": [3], "spectrum": [[7, 8, 9]]})
    read = site.open()[builder.uid].primary.read()
    assert read["x"].values.tolist() == [1, 2, 3]
    assert read["spectrum"].values.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@on_every_backend
def test_a_stream_that_is_never_filled_is_stored_empty(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data_keys={"x": {"source": "PV:x", "dtype": "integer", "shape": []}})
    assert len(descriptors(site, builder.uid)) == 1
    assert events(site, builder.uid, "uid") == []
    assert site.open()[builder.uid].metadata["stop"]["num_events"] == {"primary": 0}


@pytest.mark.parametrize(
    ("declared", "table", "sides"),
    [
        ({"dtype": "integer", "shape": []}, {"x": [1.5]}, ["integer", "number"]),
        ({"dtype": "array", "shape": [2]}, {"x": [[1, 2, 3]]}, ["[2]", "[3]"]),
        ({"dtype": "number", "shape": []}, {"x": ["a"]}, ["number", "string"]),
        ({"dtype": "number", "dtype_numpy": "<f4", "shape": []}, {"x": [0.1]}, ["<f4", "<f8"]),
    ],
)
@on_files
def test_the_first_table_must_agree_with_what_was_declared(catalog, declared, table, sides):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data_keys={"x": {"source": "PV:x", **declared}})
        with pytest.raises(InvalidTableError) as caught:
            builder.add_data("primary", data=table)
    assert all(side in str(caught.value) for side in ("'x'", *sides)), str(caught.value)


MOTOR = {
    "data": {"v": 1.5},
    "timestamps": {"v": 1.7e9},
    "data_keys": {"v": {"source": "PV", "dtype": "number", "shape": []}},
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"configuration": {"motor": {"v": 1.5}}}, r"configuration\['motor'\]\['data'\] is None, not a dict"),
        ({"configuration": {"motor": 1.5}}, r"configuration\['motor'\] is 1.5, not a dict"),
        ({"configuration": ["motor"]}, r"configuration is \['motor'\], not a dict"),
        ({"configuration": {"motor": {**MOTOR, "data": {}}}}, r"has \[\] in 'data' but \['v'\] in 'timestamps'"),
        ({"configuration": {"table": MOTOR}}, "replace the coordinates and layout of the table"),
        ({"object_keys": {"motor": ["z"]}}, r"object_keys\['motor'\] names 'z', which is not a column.*\['x'\]"),
        ({"object_keys": {"motor": "x"}}, r"object_keys\['motor'\] must be a list of columns, not 'x'"),
        ({"hints": "x"}, "hints is 'x', not a dict"),
        ({"hints": {"motor": "x"}}, r"hints\['motor'\] is 'x', not a dict"),
        ({"hints": {"motor": {"fields": "x"}}}, r"hints\['motor'\]\['fields'\] is 'x', not a list of columns"),
    ],
)
@on_files
def test_what_readers_would_fail_at_is_refused(catalog, site, given, message):
    with catalog.run_builder() as builder:
        with pytest.raises(InvalidTableError, match=message):
            builder.add_stream("primary", data={"x": [1]}, **given)
        builder.add_stream("primary", data={"x": [1]})
        if "configuration" in given:
            with pytest.raises(InvalidTableError, match=message):
                builder.update_configuration("primary", given["configuration"])
    assert len(site.open().v1[builder.uid].table()) == 1


@on_files
def test_hints_follow_the_objects_that_the_user_names(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1], "y": [2.5], "s": ["a"]}, object_keys={"motor": ["x", "s"]})
    (descriptor,) = descriptors(site, builder.uid)
    assert descriptor["hints"] == {"table": {"fields": ["y"]}, "motor": {"fields": ["x"]}}
    assert descriptor["object_keys"] == {"table": ["y"], "motor": ["x", "s"]}


@on_files
def test_a_wider_declaration_takes_what_fits_into_it(catalog, site):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1]}, data_keys={"x": {"source": "PV:x", "dtype": "number"}})
        builder.add_data("primary", data={"x": [2]})
    assert descriptors(site, builder.uid)[0]["data_keys"]["x"]["dtype"] == "number"
    assert to_dataset(site.open()[builder.uid])["x"].values.tolist() == [1, 2]


@on_files
def test_data_keys_of_the_user_that_contradict_the_data_are_refused(catalog):
    builder = catalog.run_builder()
    with pytest.raises(InvalidTableError, match=r"\[3\] for column 'x'.*\[\]"):
        builder.add_stream("primary", data={"x": [1]}, data_keys={"x": {"shape": [3], "dtype": "array"}})


BIG = 2**60 + 1


@pytest.mark.parametrize(
    ("pieces", "dtype"),
    [
        ([BIG, 1.5], "float64"),
        ([[2], [BIG, 1], [1.5]], "float64"),
        ([numpy.array([2**63 + 1], "u8"), [1.5]], "float64"),
        ([[2**24 + 1], numpy.array([1.5], "f4")], "float32"),
    ],
    ids=["single values", "in the middle", "unsigned", "float32"],
)
@on_files
def test_floats_that_would_round_earlier_integers_are_refused(catalog, pieces, dtype):
    *integers, floats = [{"x": piece} for piece in pieces]
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=integers[0])
        for table in integers[1:]:
            builder.add_data("primary", table)
        with pytest.raises(InvalidTableError, match=f"column 'x' of stream 'primary' .* integers that {dtype},"):
            builder.add_data("primary", floats)
    back = to_dataset(builder.stored_run)["x"]
    assert back.values.ravel().tolist() == numpy.hstack([table["x"] for table in integers]).tolist()


@on_files
def test_integers_that_floats_hold_exactly_become_floats(catalog):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [2**53 + 2, -(2**63)]})
        builder.add_data("primary", {"x": [1.5]})
    assert to_dataset(builder.stored_run)["x"].values.tolist() == [2**53 + 2, -(2**63), 1.5]
