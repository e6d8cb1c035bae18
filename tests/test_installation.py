"""What an installation brings: entry points, types, a command, and a light import."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import shutil
import subprocess
import sys
from pathlib import Path

import intake
import pytest

import databroker_writable

HEAVY = {"h5py", "h5netcdf", "pyarrow", "matplotlib", "distributed", "IPython", "bluesky", "tqdm", "click", "pytest"}

DRIVERS = {
    "writable-msgpack-catalog",
    "writable-jsonl-catalog",
    "writable-mongo-normalized-catalog",
    "writable-mongo-embedded-catalog",
    "writable-catalog",
}


def own_entry_points(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    points = importlib.metadata.entry_points(group=group)
    return {point.name: point for point in points if point.value.startswith("databroker_writable")}


def modules_after(statement: str) -> set[str]:
    """The modules that a new process has imported after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(run.stdout.split())


def test_every_driver_has_an_entry_point() -> None:
    assert set(own_entry_points("intake.drivers")) == DRIVERS


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_a_driver_can_be_loaded_by_its_entry_point_and_by_its_name(name: str) -> None:
    loaded = own_entry_points("intake.drivers")[name].load()
    assert loaded is intake.registry[name]
    assert loaded.name == name


def test_the_handler_of_external_arrays_can_be_loaded() -> None:
    points = own_entry_points("databroker.handlers")
    assert list(points) == ["DATABROKER_WRITABLE_HDF5"]
    assert callable(points["DATABROKER_WRITABLE_HDF5"].load())


def test_entry_points_name_submodules() -> None:
    # databroker 1.2.5 loads drivers while it is imported itself; the package's __init__ imports databroker
    for group in ("intake.drivers", "databroker.handlers"):
        assert all("." in point.module for point in own_entry_points(group).values())


def test_intake_has_a_function_that_opens_each_driver() -> None:
    for name in DRIVERS:
        assert callable(getattr(intake, "open_" + name.replace("-", "_")))


def test_intakes_function_opens_a_writable_catalog(tmp_path: Path) -> None:
    catalog = intake.open_writable_msgpack_catalog([str(tmp_path / "*.msgpack")])
    assert catalog.store_run({"x": [1, 2]}).primary.read().x.values.tolist() == [1, 2]


def test_a_driver_can_be_imported_before_databroker() -> None:
    assert "databroker.core" in modules_after("import databroker_writable.drivers")


def test_type_hints_are_installed() -> None:
    assert importlib.resources.files("databroker_writable").joinpath("py.typed").is_file()


def test_public_names_exist_and_are_sorted() -> None:
    names = databroker_writable.__all__
    assert names == sorted(names)
    assert all(hasattr(databroker_writable, name) for name in names)


def test_the_command_is_installed() -> None:
    scripts = Path(sys.executable).parent
    assert shutil.which("databroker-writable", path=str(scripts))


def test_importing_the_package_imports_nothing_heavy_beyond_databroker() -> None:
    added = modules_after("import databroker_writable") - modules_after("import databroker")
    assert "databroker_writable.errors" in added
    assert not {module for module in added if module.split(".")[0] in HEAVY}


def test_importing_the_handler_does_not_load_hdf5() -> None:
    modules = modules_after("import databroker_writable.storage.assets.hdf5_handler")
    assert "databroker_writable.storage.assets.hdf5_handler" in modules
    assert "h5py" not in modules


WITHOUT_DATABROKER_1 = """
import importlib.metadata, sys

missing = {"bluesky_live", "databroker", "intake", "suitcase"}

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Finder())
version = importlib.metadata.version
importlib.metadata.version = lambda name: "2.0.2" if name == "databroker" else version(name)

import databroker_writable
from databroker_writable import to_dataset
from databroker_writable.storage.assets.hdf5_handler import HDF5AssetHandler

for ask in (lambda: databroker_writable.open_directory("runs"), lambda: __import__("databroker_writable.drivers")):
    try:
        ask()
    except ImportError as exc:
        print(type(exc).__name__, exc)
"""


def test_the_handler_and_to_dataset_do_without_databroker_1() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_DATABROKER_1], capture_output=True, text=True, check=True, timeout=120
    )
    sentences = run.stdout.splitlines()
    assert len(sentences) == 2
    for sentence in sentences:
        assert sentence.startswith(
            "DatabrokerMissingError catalogs need databroker 1.2, and databroker 2.0.2 is installed; "
        )
        assert "pip install 'databroker-writable[databroker]'" in sentence


def test_a_shell_completes_the_public_names_only() -> None:
    assert dir(databroker_writable) == sorted(databroker_writable.__all__)
