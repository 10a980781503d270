"""What a platform that asks knows of consent at that moment; a refusal there wins over what we have stored."""

from __future__ import annotations

from collections.abc import Mapping

from segserver.connectors.values import allowed
from segserver.specs.connections import ConnectionSpec


def refused(spec: ConnectionSpec, sent: Mapping[str, object]) -> list[str]:
    """Channels that the contact refuses by the fields the platform sent along; what it does not send says nothing."""
    lines = spec.contacts.consent if spec.contacts else ()
    found = []
    for line in lines:
        if line.field not in sent:
            continue
        try:
            consent = allowed(sent[line.field], line.means)
        except ValueError:  # unreadable consent is none
            consent = False
        if not consent:
            found.append(line.channel)
    return found
