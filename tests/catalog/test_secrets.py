"""A password of a MongoDB address shows nowhere when storing fails."""

from __future__ import annotations

import logging
import pickle
import traceback
import warnings

import intake
import pymongo.common
import pytest
import yaml
from click.testing import CliRunner

from databroker_writable import StoreError, make_writable
from databroker_writable.cli import main
from databroker_writable.drivers import (
    WritableCatalog,
    WritableMongoEmbeddedCatalog,
    WritableMongoNormalizedCatalog,
)
from support import example_runs, facility, faults

pytestmark = pytest.mark.usefixtures("servers_that_are_away_are_not_waited_for")

SECRET = "s3cr3t-pa55"
VARIABLE = "LAB_SECRET"
PATIENCE = "serverSelectionTimeoutMS=10&connectTimeoutMS=50"
# nothing listens at the port for discarding
PLAIN = f"mongodb://user:{SECRET}@127.0.0.1:9/db?{PATIENCE}"
TEMPLATE = PLAIN.replace(SECRET, f"{{{{ env({VARIABLE}) }}}}")

ARGUMENTS = {"normalized": ("metadatastore_db", "asset_registry_db"), "embedded": ("datastore_db",)}


def from_yaml(tmp_path, driver, args):
    path = tmp_path / "catalog.yml"
    path.write_text(yaml.safe_dump({"sources": {"lab": {"driver": driver, "args": args}}}))
    return intake.open_catalog(str(path))["lab"]


def arguments(layout, uri):
    return dict.fromkeys(ARGUMENTS[layout], uri)


WAYS = {
    "python": lambda path, layout: {
        "normalized": WritableMongoNormalizedCatalog,
        "embedded": WritableMongoEmbeddedCatalog,
    }[layout](**arguments(layout, PLAIN)),
    "generic": lambda path, layout: WritableCatalog(f"bluesky-mongo-{layout}-catalog", arguments(layout, PLAIN)),
    "yaml": lambda path, layout: from_yaml(path, f"writable-mongo-{layout}-catalog", arguments(layout, TEMPLATE)),
    "generic yaml": lambda path, layout: from_yaml(
        path,
        "writable-catalog",
        {"catalog_driver": f"bluesky-mongo-{layout}-catalog", "catalog_args": arguments(layout, TEMPLATE)},
    ),
    "made writable": lambda path, layout: make_writable(
        from_yaml(path, f"bluesky-mongo-{layout}-catalog", arguments(layout, TEMPLATE))
    ),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(params=ARGUMENTS)
def catalog(request, way, tmp_path, monkeypatch):
    # pymongo 4 waits half a second between looks for a server, whatever its time-outs
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)
    monkeypatch.setenv(VARIABLE, SECRET)
    return way(tmp_path, request.param)


def chain_of(error):
    """An exception and all that it came from."""
    found: list[BaseException] = []
    left = [error]
    while left:
        error = left.pop()
        if error is not None and not any(error is other for other in found):
            found.append(error)
            left += [error.__cause__, error.__context__]
    return found


def use_builder(catalog):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=example_runs.TABLE)


def insert(catalog):
    for name, doc in example_runs.small_documents():
        catalog.v1.insert(name, doc)


USES = {
    "store_run": lambda catalog: catalog.store_run(example_runs.TABLE),
    "store_runs": lambda catalog: catalog.store_runs([example_runs.small_documents()]),
    "run_builder": use_builder,
    "a reference to a run": lambda catalog: catalog.store_run(example_runs.TABLE, derived_from="some-run"),
    "insert": insert,
    "a column that needs an asset_root": lambda catalog: catalog.store_run(example_runs.TABLE, asset_threshold="1"),
    "reading": lambda catalog: catalog["some-run"],
    "reopening": lambda catalog: catalog.configure_new(no_such_argument=1).store_run(example_runs.TABLE),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_no_password_in_errors_warnings_and_logs(catalog, use, caplog):
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failed = faults.attempt(use, catalog)
    assert isinstance(failed, StoreError) or use in (USES["reading"], USES["reopening"]), failed
    for error in chain_of(failed):
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
        # what a traceback shows: lines of source and the texts of exceptions
        assert SECRET not in "".join(traceback.format_exception(error))
        for failure in getattr(error, "failures", {}).values():
            assert all(SECRET not in f"{inner} {inner!r}" for inner in chain_of(failure))
    assert not [warning for warning in caught if SECRET in str(warning.message)]
    assert SECRET not in caplog.text


def test_no_password_in_what_a_catalog_shows_of_itself(catalog):
    from IPython.utils.capture import capture_output

    shown = [repr(catalog), str(catalog), catalog.yaml(), pickle.dumps(catalog).decode("latin1")]
    with capture_output() as captured:
        catalog._ipython_display_()
    shown += [captured.stdout, captured.stderr, *(str((out.data, out.metadata)) for out in captured.outputs)]
    for name in ("_repr_mimebundle_", "_repr_html_"):
        if hasattr(catalog, name):
            shown.append(str(getattr(catalog, name)()))
    for text in shown:
        assert SECRET not in text


@pytest.mark.parametrize("layout", ARGUMENTS)
@pytest.mark.parametrize("uri", [PLAIN, TEMPLATE], ids=["in the file", "of the environment"])
@pytest.mark.parametrize(
    "command",
    [["ls", "CATALOG"], ["show", "CATALOG", "some-run"], ["check", "CATALOG"], ["check", "--clean", "CATALOG"]],
    ids=lambda command: " ".join(command[:-1]),
)
def test_no_password_in_the_output_of_commands(layout, uri, command, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, SECRET)
    from_yaml(tmp_path, f"writable-mongo-{layout}-catalog", arguments(layout, uri))
    path = str(tmp_path / "catalog.yml")
    done = CliRunner().invoke(main, [path if word == "CATALOG" else word for word in command])
    assert done.exit_code != 0
    assert SECRET not in done.output
    assert all(SECRET not in f"{error} {error!r}" for error in chain_of(done.exception))


HIDDEN = {
    "an encoded password": f"mongodb://us%40er:{SECRET}%2F%3A@127.0.0.1:9/db?authSource=admin&{PATIENCE}",
    "a password with a colon": f"mongodb://user:a:{SECRET}@127.0.0.1:9/db?{PATIENCE}",
    "a password with a space": f"mongodb://user:{SECRET} x@127.0.0.1:9/db?{PATIENCE}",
    "a password with an at sign": f"mongodb://user:{SECRET}@x@127.0.0.1:9/db?{PATIENCE}",
    "a password with a slash": f"mongodb://user:{SECRET}/x@127.0.0.1:9/db?{PATIENCE}",
    "a password that is wrongly encoded": f"mongodb://user:{SECRET}%zz@127.0.0.1:9/db?{PATIENCE}",
    "no user": f"mongodb://:{SECRET}@127.0.0.1:9/db?{PATIENCE}",
    "many hosts": f"mongodb://user:{SECRET}@127.0.0.1:9,127.0.0.1:8/db?replicaSet=rs&{PATIENCE}",
    "a wrong port": f"mongodb://user:{SECRET}@127.0.0.1:port/db?{PATIENCE}",
    "no database": f"mongodb://user:{SECRET}@127.0.0.1:9/?{PATIENCE}",
    "a wrong option": f"mongodb://user:{SECRET}@127.0.0.1:9/db?noSuchOption=1&{PATIENCE}",
    "a host that DNS does not know": f"mongodb+srv://user:{SECRET}@no-such-host.invalid/db?{PATIENCE}",
    "a key's password": f"mongodb://127.0.0.1:9/db?tls=true&tlsCertificateKeyFilePassword={SECRET}&{PATIENCE}",
    "a session token": (
        f"mongodb://key:x@127.0.0.1:9/db?authMechanism=MONGODB-AWS"
        f"&authMechanismProperties=AWS_SESSION_TOKEN:{SECRET}&{PATIENCE}"
    ),
}


@pytest.mark.filterwarnings("ignore:Unknown option:UserWarning:pymongo")
@pytest.mark.parametrize("uri", HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize("generic", [False, True], ids=["own driver", "generic driver"])
def test_no_password_of_any_form_shows(uri, generic, monkeypatch):
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)

    def opened():
        if generic:
            return WritableCatalog("bluesky-mongo-embedded-catalog", {"datastore_db": uri})
        return WritableMongoEmbeddedCatalog(uri)

    error = faults.attempt(opened)
    if error is None:
        catalog = opened()
        for text in (repr(catalog), str(catalog), catalog.yaml(), pickle.dumps(catalog).decode("latin1")):
            assert SECRET not in text
        error = faults.attempt(catalog.store_run, example_runs.TABLE)
    assert isinstance(error, StoreError), error
    for inner in chain_of(error):
        if not inner.__suppress_context__:
            assert SECRET not in f"{inner} {inner!r}"
    shown = "".join(traceback.format_exception(error))
    # a line of source shows no value
    assert SECRET not in shown


class GuardedCatalog(facility.CollectingCatalog):
    """A facility's catalog that asks for a password by itself."""

    def __init__(self, directory, password="", options=None, **kwargs):
        super().__init__(directory, **kwargs)


def test_no_password_that_is_an_argument_of_its_own_shows(tmp_path):
    catalog = WritableCatalog(
        f"{__name__}.GuardedCatalog",
        {"directory": str(tmp_path), "password": SECRET, "options": {"api_key": SECRET}},
    )
    for text in (repr(catalog), catalog.yaml(), pickle.dumps(catalog).decode("latin1")):
        assert SECRET not in text
    assert "env(MONGODB_PASSWORD)" in catalog.yaml()
    catalog.store_run(example_runs.TABLE)


@pytest.mark.parametrize(
    "command",
    [["ls", PLAIN], ["show", PLAIN, "some-run"], ["check", PLAIN], ["copy", PLAIN, "there"], ["lineage", PLAIN, "uid"]],
    ids=lambda command: command[0],
)
def test_an_address_on_the_command_line_is_refused_and_not_repeated(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert "write a YAML file" in done.output
    assert SECRET not in done.output
    assert list(tmp_path.iterdir()) == []
