"""`identity`: why a contact is one, and which contacts may be one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from segserver.cli import tables
from segserver.cli.invocation import Invocation
from segserver.cli.linking import link, review, unlink
from segserver.cli.writing import FORMAT
from segserver.errors import SettingsError

if TYPE_CHECKING:
    from segserver.duplicates import Found, Pair

SELDOM = 0.5
"""A field that is equal in fewer of the pairs believed to be one person speaks against what was learnt."""


@click.group()
def identity() -> None:
    """Show why a contact is one and which contacts may be one person, and say that records are one or are not."""


@identity.command()
@click.argument("contact")
@FORMAT
@click.pass_obj
def explain(invocation: Invocation, contact: str, form: str) -> None:
    """Show the records of CONTACT, the keys and links that join them, and what was joined and parted, when and why.

    CONTACT is an e-mail address, another identity, or our id.
    """
    from segserver.cli.answering import plain
    from segserver.cli.explaining import the_contact
    from segserver.store.origins import origins

    with invocation.open() as engine, engine.store.session() as session:
        found = origins(session, the_contact(session, contact))
    if form == "json":
        invocation.print_json(plain(found))
        return
    _show_origins(invocation, found or {})


@identity.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Pairs to name at most.")
@click.option("--review", is_flag=True, help="Only pairs below the threshold `link`.")
@FORMAT
@click.pass_obj
def match(invocation: Invocation, limit: int, review: bool, form: str) -> None:
    """Show contacts that are probably one person although they share no key, and why.

    The workspace says under `matching:` in segserver.yml what is compared; see `segserver help identity`.
    """
    from segserver import duplicates
    from segserver.store.people import labels

    with invocation.open() as engine, engine.store.session() as session:
        spec = engine.workspace.matching
        if spec is None:
            raise SettingsError("segserver.yml has no `matching:`; see `segserver help identity` for an example")
        found = duplicates.find(session, spec, limit=limit, below=spec.link if review else None)
        called = labels(session, {one for pair in found.pairs for one in (pair.first, pair.second)})
    if form == "json":
        invocation.print_json(_as_data(found, called))
        return
    _show_found(invocation, found, called)


def _show_origins(invocation: Invocation, found: Mapping[str, Any]) -> None:
    invocation.say(f"contact {found['contact_id']}")
    records = tables.plain_table("record", "id", "known since", "deleted")
    for one in found["records"]:
        records.add_row(one["connection"], one["source_id"], _minute(one["recorded_at"]), _minute(one["deleted_at"]))
    keys = tables.plain_table("key", "value", "named by", "since")
    for one in found["keys"]:
        namer = f"record {one['source_id']}" if one["source_id"] is not None else "an event"
        stands = " (stands for another contact)" if one["apart"] else ""
        keys.add_row(one["kind"], one["value"] + stands, f"{one['connection']} {namer}", _minute(one["since"]))
    links = tables.plain_table("link", "between", "and", "since", "why")
    for one in found["links"]:
        links.add_row(one["kind"], *_ends(one), _minute(one["since"]), one["cause"])
    for one in found["differing"]:
        links.add_row("must differ", *_ends(one), _minute(one["since"]), "by hand")
    for table in (records, keys, links):
        if table.row_count:
            invocation.say("")
            invocation.console.print(table)
    past = _past(found)
    if past:
        invocation.say("")
    for line in past:
        invocation.say(line)


def _ends(pair: Mapping[str, Any]) -> tuple[str, str]:
    return ":".join(pair["first"]), ":".join(pair["second"])


def _past(found: Mapping[str, Any]) -> list[str]:
    """What was joined and parted, the oldest first."""
    told = [(one["merged_at"], f"{one['loser']} was merged into it: {one['cause']}") for one in found["merges"]]
    for one in found["partings"]:
        was_parted = one["parted"] == found["contact_id"]
        other = f"it was parted from {one['contact_id']}" if was_parted else f"{one['parted']} was parted from it"
        told.append((one["parted_at"], f"{other}: {one['cause']}"))
    return [f"{_minute(at)}  {line}" for at, line in sorted(told)]


def _minute(instant: Any) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def _show_found(invocation: Invocation, found: Found, called: Mapping[str, str]) -> None:
    invocation.say(
        f"{found.people:,} contacts, {found.compared:,} pairs compared: {found.linked:,} probably one person, "
        f"{found.to_review:,} to review"
    )
    for line in _doubts(found):
        invocation.say(line)
    table = tables.plain_table("field", "agreement", "same person", "different people", "bits", right=("bits",))
    for field in found.model.fields:
        for level, meaning in enumerate(field.field.levels):
            name = field.field.name if not level else ""
            assumed = "" if field.learnt else " (assumed)"
            m, u = f"{field.m[level]:.2%}{assumed}", f"{field.u[level]:.3%}"
            table.add_row(name, meaning, m, u, f"{field.bits(level):+.1f}")
    invocation.say("")
    invocation.console.print(table)
    for pair in found.pairs:
        invocation.say("")
        _show_pair(invocation, found, pair, called)


def _doubts(found: Found) -> Iterable[str]:
    """What may be wrong with the declaration, as far as the figures say."""
    if found.crowded:
        yield f"{found.crowded:,} blocks have more contacts than `largest block` and were passed over"
    if not found.compared:
        yield (
            "no pair was compared: no two contacts agree on a blocking rule, or both have records in one connection; "
            "name connections that hold people twice under `within`"
        )
        return
    for field in found.model.fields:
        if field.learnt and field.m[-1] < SELDOM and field.field.name not in found.model.shared:
            yield (
                f"{field.field.name} is equal in only {field.m[-1]:.0%} of the pairs believed to be one person: "
                "they may be households; name under `shared` what people of a household have in common"
            )


def _show_pair(invocation: Invocation, found: Found, pair: Pair, called: Mapping[str, str]) -> None:
    verdict = "probably one person" if pair.link else "to review"
    invocation.say(f"{called[pair.first]} and {called[pair.second]}: {verdict}, {pair.probability:.2%}")
    invocation.say(f"  {pair.first} {pair.second}")
    invocation.say(f"  {found.model.same_bits:+6.1f}  before anything is compared")
    for field, level, bits in zip(found.model.fields, pair.levels, pair.bits, strict=True):
        invocation.say(f"  {bits:+6.1f}  {field.field.name} {level or 'is not known of both'}")
    if pair.shared_bits <= -0.05:
        invocation.say(f"  {pair.shared_bits:+6.1f}  they may be two people who share {', '.join(found.model.shared)}")


def _as_data(found: Found, called: Mapping[str, str]) -> dict[str, object]:
    names = [field.field.name for field in found.model.fields]
    return {
        "contacts": found.people,
        "compared": found.compared,
        "crowded_blocks": found.crowded,
        "linked": found.linked,
        "to_review": found.to_review,
        "doubts": list(_doubts(found)),
        "same": found.model.same,
        "related": found.model.related,
        "fields": {
            field.field.name: {"levels": field.field.levels, "m": field.m, "u": field.u, "learnt": field.learnt}
            for field in found.model.fields
        },
        "pairs": [
            {
                "contacts": [pair.first, pair.second],
                "labels": [called[pair.first], called[pair.second]],
                "probability": pair.probability,
                "link": pair.link,
                "levels": dict(zip(names, pair.levels, strict=True)),
                "bits": dict(zip(names, pair.bits, strict=True)),
                "shared_bits": pair.shared_bits,
            }
            for pair in found.pairs
        ],
    }


identity.add_command(review)
identity.add_command(link)
identity.add_command(unlink)

COMMANDS = (identity,)
