"""How kernels show what libraries make. Read by IPython from the environment's etc/ipython; not imported.

Altair would show a chart by scripts from another host, which no session can reach: JupyterLab has Vega-Lite itself.
"""

from typing import Any

VEGA = "application/vnd.vegalite.v5+json"  # what JupyterLab 4.6 shows; altair is held below 6 for it
NO_MENU = {"embed_options": {"actions": False}}  # what it offers is saving to the reader's machine, and another host


def chart(made: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart of Altair's as what JupyterLab draws by itself."""
    return {VEGA: made.to_dict(), "text/plain": type(made).__name__}, {VEGA: NO_MENU}


c = get_config()  # type: ignore[name-defined]  # noqa: F821 - given by traitlets
c.MimeBundleFormatter.deferred_printers = {("altair.vegalite.v5.api", "TopLevelMixin"): chart}
