"""Delete runs permanently, with their assets and remarks.

A run disappears in one step. Its parts are removed afterwards. If the process is killed in between, `check` names the
run, and deleting it again removes the rest.
"""

from __future__ import annotations

from typing import Any

from ..errors import InvalidRunError
from ..results.run_uids import complete_uid
from .backend_upkeep import Deletion
from .known_upkeep import upkeep_of


def deletion_of(catalog: Any, uid: str) -> Deletion:
    """Prepare the deletion of the run of a uid, which may be its beginning; nothing is changed before its `execute`.

    A run whose deletion was cut off is named by its full uid. Reads the run file; where the run has assets, also the
    other run files of the directory, to see whether another run uses them.

    Examples
    --------
    >>> run = catalog.store_run({"x": [1, 2, 3]}, uid="run-1")
    >>> deletion = deletion_of(catalog, "run-1")
    >>> deletion.execute()
    >>> "run-1" in databroker_writable.open_directory("results")
    False
    """
    catalog._store.check_writable("open it without that to delete runs")
    upkeep = upkeep_of(catalog)
    # first as it is: the run may be hidden already, and another uid may begin with it
    deletion = upkeep.deletion_of(uid)
    if deletion is None:
        try:
            full = complete_uid(catalog, uid)
        except ValueError as exc:
            raise InvalidRunError(str(exc)) from exc
        deletion = None if full is None else upkeep.deletion_of(full)
    if deletion is None:
        raise InvalidRunError(
            f"the catalog {catalog._backend.label!r} has no run {uid!r}, and no interrupted deletion of it; "
            "databroker-writable ls lists the runs (give the complete uid to finish a deletion)"
        )
    deletion.check_rights()
    return deletion
