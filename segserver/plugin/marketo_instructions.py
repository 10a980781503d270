"""What Marketo shows to the administrator who installs a service."""

from __future__ import annotations

from html import escape

from segserver.plugin.marketo import KEY_SETTING, Service
from segserver.specs.connections import ConnectionSpec


def instructions(service: Service, spec: ConnectionSpec) -> str:
    """A page with the key to enter and the fields to map."""
    key = spec.secrets.get(KEY_SETTING)
    variable = key.variable if key else "NAME"
    rows = "".join(f"<tr><td>{_row(one.name, one.suggested, one.description)}</td></tr>" for one in service.fields)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(service.title)}</title></head><body>"
        f"<h1>{escape(service.title)}</h1><p>{escape(service.description)}</p>"
        f"<p>API key: the value of the variable <code>{escape(variable)}</code> of the server, which connection "
        f"<code>{escape(spec.name)}</code> names as <code>{KEY_SETTING}</code>.</p>"
        "<p>Incoming fields, each mapped to a lead field of the same type; what is not mapped is not written:</p>"
        f"<table><tr><th>Service</th><th>Lead field</th><th>Holds</th></tr>{rows}</table>"
        "</body></html>"
    )


def _row(*cells: str) -> str:
    return "</td><td>".join(map(escape, cells))
