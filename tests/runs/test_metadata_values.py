"""Paths, dates and times in metadata, and the results of fits as parameters."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import fractions
import pathlib
import time
import types
import uuid

import lmfit
import numpy
import pandas
import pytest
import scipy.stats

from databroker_writable import InvalidMetadataError, InvalidRunError, RunBuilder, build_simple_run, open_directory

UTC = datetime.timezone.utc
NUMBER = uuid.uuid4()

PLAIN = {
    "a path": (pathlib.PurePosixPath("/data/Cu.dat"), "/data/Cu.dat"),
    "a datetime": (datetime.datetime(2024, 5, 31, 12, 0, 1), "2024-05-31T12:00:01"),
    "a datetime with a zone": (datetime.datetime(2024, 5, 31, tzinfo=UTC), "2024-05-31T00:00:00+00:00"),
    "a date": (datetime.date(2024, 5, 31), "2024-05-31"),
    "a time of day": (datetime.time(12, 30), "12:30:00"),
    "a duration": (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
    "a Timestamp": (pandas.Timestamp("2024-05-31 12:00:00.000000001"), "2024-05-31T12:00:00.000000001"),
    "a Timedelta": (pandas.Timedelta("2min"), 120.0),
    "numpy's datetime": (numpy.datetime64("2024-05-31"), "2024-05-31"),
    "numpy's timedelta": (numpy.timedelta64(5, "ms"), 0.005),
    "a long duration of numpy": (numpy.timedelta64(2**50, "W"), 2.0**50 * 604_800),
    "a short duration of numpy": (numpy.timedelta64(3, "as"), 3e-18),
    "a duration of numpy in steps": (numpy.timedelta64(2, ("m", 25)), 3000.0),
    "a duration of numpy in an array": (numpy.array(1, "m8[h]"), 3600.0),
    "no time": (pandas.NaT, None),
    "numpy's no time": (numpy.datetime64("NaT", "s"), None),
    "an array of datetimes": (numpy.array(["2024-05-31", "NaT"], "M8[D]"), ["2024-05-31", None]),
    "a UUID": (NUMBER, str(NUMBER)),
    "in lists and dicts": ({"scans": (datetime.date(2024, 5, 31),)}, {"scans": ["2024-05-31"]}),
}


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
@pytest.mark.parametrize(("value", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_paths_and_times_in_metadata_are_text_and_durations_seconds(site, catalog, value, expected):
    run = catalog.store_run({"x": [1]}, {"given": value}, parameters={"given": value}, uid="fit-1")
    assert run.metadata["start"]["given"] == run.metadata["start"]["parameters"]["given"] == expected
    assert site.open()["fit-1"].metadata["start"]["given"] == expected


@pytest.mark.parametrize(
    "value",
    [numpy.timedelta64(1, "Y"), numpy.array([1], "m8[M]"), numpy.array(1, "m8[M]"), {"a": [numpy.timedelta64(1, "M")]}],
    ids=repr,
)
def test_months_and_years_have_no_seconds(value):
    for arguments in ({"metadata": {"age": value}}, {"parameters": {"age": value}}):
        with pytest.raises(
            InvalidMetadataError, match=r"\['age'\].*of type timedelta64, .*store it as text, str\(value\)"
        ):
            build_simple_run({"x": [1]}, **arguments)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_metadata_defaults_of_a_catalog_are_held_to_the_same_rule(site):
    catalog = site.open(metadata_defaults={"cycle": {"began": datetime.date(2024, 5, 1)}})
    assert catalog.store_run({"x": [1]}).metadata["start"]["cycle"] == {"began": "2024-05-01"}


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_arguments_of_a_run_take_the_place_of_the_defaults_of_its_catalog(site):
    site.open().store_run({"x": [1]}, uid="raw-1")
    catalog = site.open(metadata_defaults={"parameters": {"window": 3}, "derived_from": "raw-1"})
    start = catalog.store_run({"x": [1]}, uid="fit-1").metadata["start"]
    assert (start["parameters"], start["derived_from"][0]["uid"]) == ({"window": 3}, "raw-1")
    start = catalog.store_run({"x": [1]}, parameters={"window": 5}, derived_from="fit-1").metadata["start"]
    assert (start["parameters"], start["derived_from"][0]["uid"]) == ({"window": 5}, "fit-1")


@dataclasses.dataclass
class Settings:
    window: int = 3


class Estimator:
    """As scikit-learn has it."""

    def get_params(self, deep=True):
        return {"alpha": 0.5}


Fit = collections.namedtuple("Fit", ["slope", "intercept"])


def line():
    x = numpy.linspace(0, 1, 20)
    return lmfit.models.LinearModel().fit(2 * x + 1, x=x, slope=1, intercept=0)


OFFERS = {
    "a dict": (lambda: {"window": 3}, {"window": 3}),
    "a dataclass": (Settings, {"window": 3}),
    "a namespace": (lambda: types.SimpleNamespace(window=3), {"window": 3}),
    "the arguments of a script": (lambda: argparse.Namespace(window=3), {"window": 3}),
    "a named tuple": (lambda: Fit(2.0, 1.0), {"slope": 2.0, "intercept": 1.0}),
    "an estimator": (Estimator, {"alpha": 0.5}),
    "lmfit's ModelResult": (line, {"slope": pytest.approx(2.0), "intercept": pytest.approx(1.0)}),
    "lmfit's Parameters": (lambda: lmfit.create_params(slope=2.0), {"slope": 2.0}),
    "lmfit's MinimizerResult": (
        lambda: lmfit.minimize(lambda p: [p["a"].value - 1.0, 0.0], lmfit.create_params(a=3)),
        {"a": pytest.approx(1.0)},
    ),
}


@pytest.mark.parametrize(("given", "expected"), OFFERS.values(), ids=OFFERS.keys())
def test_the_result_of_a_fit_offers_its_parameters(given, expected):
    run = build_simple_run({"x": [1]}, parameters=given())
    assert run.metadata["start"]["parameters"] == expected


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_named_tuples_in_metadata_keep_their_names(catalog):
    given = {"fits": [Fit(2.0, Fit(1.0, pathlib.PurePosixPath("a")))]}
    expected = {"fits": [{"slope": 2.0, "intercept": {"slope": 1.0, "intercept": "a"}}]}
    run = catalog.store_run({"x": [1]}, given, parameters=given)
    assert run.metadata["start"]["parameters"] == expected
    assert run.metadata["start"]["fits"] == expected["fits"]
    assert list(catalog.table(given).index) == [run.metadata["start"]["uid"]]


def test_results_of_scipy_keep_what_is_beside_their_items():
    line = scipy.stats.linregress([1.0, 2.0, 3.0], [2.0, 4.0, 6.5])
    start = build_simple_run({"x": [1]}, {"line": line}, parameters=line).metadata["start"]
    assert start["line"] == start["parameters"]
    assert list(start["line"]) == ["slope", "intercept", "rvalue", "pvalue", "stderr", "intercept_stderr"]
    # the test of a mean holds more for its own methods, a module among it
    mean = scipy.stats.ttest_1samp([1.0, 2.0, 3.0], 0)
    start = build_simple_run({"x": [1]}, {"mean": mean}, parameters=mean).metadata["start"]
    assert start["mean"] == start["parameters"] == {"statistic": mean.statistic, "pvalue": mean.pvalue, "df": 2}


ROW = pandas.DataFrame({"params": [{"C": 1.0}], "mean_test_score": [0.9]}).iloc[0]
"""As of the results of a search by scikit-learn: its labels look like attributes."""


@pytest.mark.parametrize("given", [5, Settings, [1, 2], (numpy.ones(1), numpy.ones((1, 1))), ROW])
def test_what_offers_no_parameters_is_refused_with_an_example(given):
    with pytest.raises(
        InvalidMetadataError, match=r"parameters must be a dict, not .*e\.g\. \{'slope': result\.slope\}"
    ):
        build_simple_run({"x": [1]}, parameters=given)


def test_a_parameter_that_cannot_be_stored_is_named():
    with pytest.raises(InvalidMetadataError, match=r"parameters\['kernel'\] holds"):
        build_simple_run({"x": [1]}, parameters=types.SimpleNamespace(kernel=object()))


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_the_time_of_a_run_may_be_a_datetime(catalog):
    when = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    assert catalog.store_run({"x": [1]}, time=when).metadata["start"]["time"] == when.timestamp()
    assert catalog.store_run({"x": [1]}, {"time": when}).metadata["start"]["time"] == when.timestamp()
    local = when.astimezone().replace(tzinfo=None)
    assert build_simple_run({"x": [1]}, time=local).metadata["start"]["time"] == when.timestamp()


@pytest.mark.parametrize(
    "when", [pandas.Timestamp(2026, 1, 1, 12), numpy.datetime64("2026-01-01T12:00"), datetime.datetime(2026, 1, 1, 12)]
)
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no such function")
def test_a_time_without_a_zone_is_local(when, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-3")
        time.tzset()
        built = [build_simple_run({"x": [1]}, time=when), build_simple_run({"x": [1]}, {"time": when})]
    time.tzset()
    noon = datetime.datetime(2026, 1, 1, 9, tzinfo=UTC).timestamp()
    assert [run.metadata["start"]["time"] for run in built] == [noon, noon]


@pytest.mark.parametrize("when", [pandas.NaT, pandas.NA, numpy.datetime64("NaT", "s"), numpy.datetime64("NaT", "D")])
def test_what_is_no_time_is_no_time_of_a_run(when):
    for arguments in ({"time": when}, {"metadata": {"time": when}}):
        with pytest.raises(InvalidMetadataError, match=r"time is (NaT|<NA>), which is not a time; give a datetime"):
            build_simple_run({"x": [1]}, **arguments)


@pytest.mark.parametrize("when", [pandas.NaT, "noon", numpy.datetime64("2026-01-01T12:00"), numpy.timedelta64(1, "s")])
def test_the_time_of_a_stream_or_a_stop_document_is_a_number(when):
    builder = RunBuilder()
    with pytest.raises(InvalidRunError, match=r"time is .*; give POSIX seconds"):
        builder.add_stream("primary", data={"x": [1]}, time=when)
    with pytest.raises(InvalidRunError, match=r"time is .*; give POSIX seconds"):
        builder.close(time=when)


def test_a_day_of_numpy_is_refused_as_any_date():
    with pytest.raises(InvalidMetadataError, match="time is the date 2026-01-01; give a datetime"):
        build_simple_run({"x": [1]}, time=numpy.datetime64("2026-01-01"))


FAR = [
    *(numpy.datetime64(*given) for given in [("12000-01-01",), ("-5000-01-01T00",), ("0000-01-01",), (2**62, "s")]),
    *(pandas.Timestamp(numpy.datetime64(text, "s")) for text in ("12000-01-01", "0001-01-01")),
    *(datetime.datetime.min, datetime.date.min),
]


@pytest.mark.parametrize("when", FAR, ids=str)
def test_a_time_beyond_the_calendar_of_python_is_refused(when):
    for arguments in ({"time": when}, {"metadata": {"time": when}}):
        with pytest.raises(InvalidMetadataError, match=r"time is .*, for which there are no POSIX seconds"):
            build_simple_run({"x": [1]}, **arguments)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize("when", FAR[:5], ids=str)
def test_runs_are_not_sought_at_a_time_beyond_the_calendar_of_python(when, catalog):
    with pytest.raises(InvalidMetadataError, match="since must be a time or a run, not"):
        catalog.table(since=when)


def test_no_time_in_metadata_is_refused_as_any_other_that_is_no_number():
    with pytest.raises(InvalidMetadataError, match=r"metadata\['time'\] is None"):
        build_simple_run({"x": [1]}, {"time": None})


def test_parameters_in_metadata_may_be_those_of_a_fit():
    run = build_simple_run({"x": [1]}, {"parameters": lmfit.create_params(slope=2.0)})
    assert run.metadata["start"]["parameters"] == {"slope": 2.0}


def test_the_remedy_for_a_parameter_of_lmfit_in_metadata_keeps_its_error():
    fit = line()
    with pytest.raises(InvalidMetadataError, match=r"store \{'value': value\.value, 'stderr': value\.stderr\}"):
        build_simple_run({"x": [1]}, {"fit": fit.params})


@pytest.mark.parametrize("time", [20240531, 20240531.0, 202405311430, numpy.int64(20240531)])
def test_a_date_that_is_written_as_a_number_is_no_time(time):
    with pytest.raises(InvalidMetadataError, match="looks like the date 2024-05-31"):
        build_simple_run({"x": [1]}, time=time)


@pytest.mark.parametrize("time", [10**400, numpy.timedelta64(5, "s"), float("nan"), float("inf")])
def test_numbers_that_are_neither_times_nor_dates_are_refused(time):
    with pytest.raises(InvalidMetadataError):
        build_simple_run({"x": [1]}, {"time": time})


def test_a_fraction_is_a_number_of_seconds(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]})
    assert len(catalog.table(since=fractions.Fraction(170000000))) == 1


class Estimator:
    """As of scikit-learn."""

    def __init__(self, **parameters):
        self._parameters = parameters

    def get_params(self):
        return self._parameters


def test_estimators_among_the_parameters_of_an_estimator_are_their_names():
    scaler = Estimator(copy=True)
    pipeline = Estimator(steps=[("scaler", scaler)], scaler=scaler, scaler__copy=True)
    run = build_simple_run({"x": [1]}, parameters=pipeline)
    assert run.metadata["start"]["parameters"] == {
        "steps": [["scaler", "Estimator"]],
        "scaler": "Estimator",
        "scaler__copy": True,
    }
