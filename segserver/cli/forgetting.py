"""`forget`: what is known of one contact goes, on a person's word."""

from __future__ import annotations

import click

from segserver.cli.invocation import Invocation


@click.command()
@click.argument("contact")
@click.option("--yes", is_flag=True, help="Do it; without this only say what would go.")
@click.pass_obj
def forget(invocation: Invocation, contact: str, yes: bool) -> int:
    """Forget all that any connection gave of CONTACT: an e-mail address, another identity or our id.

    It cannot be undone. The platforms keep their own copies, which are not read in again.
    """
    from segserver.cli.explaining import the_contact
    from segserver.store.forgetting import forget_contact, records

    with invocation.open() as engine, engine.store.session() as session:
        contact_id = the_contact(session, contact)
        found = records(session, contact_id)
        told = ", ".join(f"{len(ids)} of {connection}" for connection, ids in found.items()) or "none"
        if not yes:
            invocation.say(f"contact {contact_id} has these records: {told}; add --yes to forget it")
            return 1
        forget_contact(session, contact_id, engine.clock.now())
    invocation.say(f"contact {contact_id} is forgotten; records: {told}")
    invocation.say("the next run takes it out of the audiences; erase it at the platforms too")
    return 0


COMMANDS = (forget,)
