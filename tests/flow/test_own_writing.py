"""What a push wrote is modified at the platform and read again: it is no change, and nothing follows from it."""

from __future__ import annotations

from datetime import timedelta


def test_a_push_followed_by_a_pull_changes_nothing_and_the_next_run_plans_nothing(world):
    first = world.run()
    written = first.pushes["crm"].written["confirmed"], first.pushes["engage"].written["confirmed"]
    assert min(written) > 0
    world.pass_time(seconds=timedelta(hours=1).total_seconds())
    again = world.run()
    written_to = [one for one, values in world.sandbox.state()["hubspot"]["properties"].items() if values]
    assert again.sync["crm"].items["contacts"] >= len(written_to) > 20, "what we wrote shows as modified"
    assert [again.sync[name].changed for name in ("crm", "engage")] == [0, 0]
    assert not again.plan.changes.num_rows
