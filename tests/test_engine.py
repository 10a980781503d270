"""One process's workspace, store and connectors."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segserver.connectors.build import Connector, build
from segserver.connectors.limits import AccountLimits, Allowance, Budgets
from segserver.engine import open_engine
from segserver.errors import FindingsError, QuotaExhausted, StoreError
from segserver.settings import Settings
from segserver.store import state

RULES = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'

MakeStage = Callable[..., Any]


def test_the_key_is_made_once_and_readable_by_its_owner_only(stage: MakeStage, tmp_path: Path) -> None:
    one = stage(RULES, store=tmp_path / "state" / "store.duckdb")
    assert len(one.engine.key) == 32
    file = tmp_path / "state" / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert bytes.fromhex(file.read_text(encoding="ascii")) == one.engine.key


def test_a_workspace_with_errors_opens_nothing(shop: Any) -> None:
    shop.append("rules/shop.seg", "\nsegment broken\n  where nonsense is 1\n")
    settings = Settings(workspace=shop.directory)
    with pytest.raises(FindingsError, match="nonsense"), open_engine(settings, {}):
        pytest.fail("it was opened")
    assert not shop.store.exists()


def test_what_a_dead_process_left_running_is_noted_as_interrupted(shop: Any) -> None:
    settings = Settings(workspace=shop.directory)
    with open_engine(settings, {}) as engine, engine.store.session() as session:
        state.start_run(session, "r", "run", engine.clock.now(), engine.clock.now())
    with open_engine(settings, {}) as engine, engine.store.session() as session:
        assert [run.status for run in state.runs(session)] == ["interrupted"]


def test_two_engines_on_one_store_are_refused(shop: Any) -> None:
    settings = Settings(workspace=shop.directory)
    with open_engine(settings, {}), pytest.raises(StoreError), open_engine(settings, {}):
        pytest.fail("it was opened")


def test_what_an_account_has_used_outlives_the_workspace_and_the_process(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Budgets] = []

    def building(*args: Any, budgets: Budgets, **more: Any) -> Connector:
        given.append(budgets)
        return build(*args, budgets=budgets, **more)

    monkeypatch.setattr("segserver.engine.build", building)
    settings = Settings(workspace=shop.directory)
    limits = AccountLimits(Allowance(10, 1), {}, None, "UTC")
    with open_engine(settings, {}) as engine:
        engine.connectors()
        engine.replace_workspace(engine.workspace)
        engine.connectors()
        assert given[0] is given[1]
        given[0].budget("crm", "hubspot 1", limits, 1.0).close()
    with open_engine(settings, {}) as engine:
        engine.connectors()
        with pytest.raises(QuotaExhausted), given[2].budget("crm", "hubspot 1", limits, 1.0).spend():
            pytest.fail("the account's day is over")
