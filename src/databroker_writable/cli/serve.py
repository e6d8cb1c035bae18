"""``databroker-writable serve``: a catalog for web browsers and Tiled clients."""

from __future__ import annotations

import contextlib

import click

from databroker_writable_command import keeping_what_is_imported

from ..runs import upstream
from .failing import CATALOG_HELP
from .parsing import PlainCommand
from .printing import say
from .targets import COMPLETED_AS_PATH, open_to_read


@click.command(
    cls=PlainCommand,
    help="Serve the runs of CATALOG with Tiled, read-only: for web browsers, for Tiled's Python client, and for "
    "export.\n\n"
    f"{CATALOG_HELP} New runs appear within seconds. Only programs on this computer can reach the server, and only "
    "with the key that is printed. Press Ctrl-C to stop it.",
    epilog="Example: databroker-writable serve results",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 chooses a free port.")
@click.option("--public", is_flag=True, help="Let every computer on the network read, without a key.")
def serve(catalog: str, port: int, public: bool) -> None:
    try:
        with keeping_what_is_imported():
            from ..upkeep.tiled_serve import serve as serve_catalog
    except ModuleNotFoundError as exc:
        raise click.ClickException(
            f"Tiled's server is not installed ({exc.name} is missing); "
            "pip install 'databroker-writable[databroker,tiled]'"
        ) from exc

    def ready(address: str, key: str | None) -> None:
        query = "" if key is None else f"?api_key={key}"
        say(f"Web page:      {address}/ui/browse/{query}")
        say(f"Python client: tiled.client.from_uri({address + '/api/v1' + query!r})")
        if public:
            say("Every computer on the network can read without a key.", error=True)

    upstream.ignore_warning_of_reading()
    with contextlib.suppress(KeyboardInterrupt):
        serve_catalog(open_to_read(catalog), port=port, public=public, ready=ready)
