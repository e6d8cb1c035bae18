"""What a server of databroker 2 gives of the normalized layout, as JSON; run by a Python that has databroker 2.

usage: python databroker_2_reader.py FILE-WITH-COLLECTIONS|URI UID ...
"""

from __future__ import annotations

import json
import sys
from typing import Any


def adapter_over(where: str) -> Any:
    """The database that a URI names, or one in memory with the collections of a file."""
    from bson import json_util
    from databroker.mongo_normalized import MongoAdapter

    if where.startswith("mongodb:"):
        return MongoAdapter.from_uri(where)
    adapter = MongoAdapter.from_mongomock()
    with open(where, encoding="utf-8") as file:
        collections = json_util.loads(file.read())
    for name, documents in collections.items():
        database = adapter._asset_registry_db if name in ("resource", "datum") else adapter._metadatastore_db
        if documents:
            database[name].insert_many(documents)
    return adapter


def as_json(dataset: Any) -> Any:
    """A Dataset with its types, in what JSON has."""
    return json.loads(json.dumps([dataset.compute().to_dict(), str(dataset.dtypes)], default=str))


def main(where: str, *uids: str) -> None:
    from tiled.client import from_context
    from tiled.client.context import Context
    from tiled.server.app import build_app

    from databroker_writable import to_dataset

    with Context.from_app(build_app(adapter_over(where))) as context:
        client = from_context(context)
        runs = {
            uid: {
                "start": dict(client[uid].metadata["start"]),
                "stop": dict(client[uid].metadata["stop"]),
                "dataset": as_json(to_dataset(client[uid])),
                "shown": {key: values.values.tolist() for key, values in client[uid].primary.read().items()},
            }
            for uid in uids
        }
    print(json.dumps(runs, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
