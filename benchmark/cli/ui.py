"""The verb that opens the page for restoring photos."""

from typing import Annotated

import typer

from benchmark.cli.app import PROGRAM, ConfigFile, app, open_run
from benchmark.cli.photos import PRETRAINED
from benchmark.core.errors import UserError


@app.command()
def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; default: the first free from 7860.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also open the page in the default browser.")
    ] = False,
    config: ConfigFile = PRETRAINED,
) -> None:
    """Restore photos on a page in the browser, until Ctrl-C.

    The page is served to this machine only, and photos stay on it: what was uploaded and restored
    is deleted at the end.
    """
    import tempfile
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        how = "make setup GROUPS=ui"
        if PROGRAM == "unweather":
            how = 'pip install "unweather[ui]"'
        raise UserError(f"The page needs the package gradio, which is not installed: '{how}'.")
    with tempfile.TemporaryDirectory(prefix="unweather-") as folder:
        from benchmark.cli import page

        settings, run = open_run(config)
        service = page.Service(settings, config, run)
        address = page.serve(service, folder, port, browser)
        print(f"{address}   (Ctrl-C ends it)", flush=True)
        page.wait()
