"""Explanations as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from segserver.clock import format_instant
from segserver.explain.report import SHOWN
from segserver.explain.verdicts import Expiry, Explanation, ModelReason, Observed, Verdict, Witness


def to_dict(explanation: Explanation) -> dict[str, object]:
    """An explanation as plain data for `--format json`."""
    expiry = explanation.expiry
    verdict = explanation.verdict
    return {
        "segment": explanation.segment,
        "contact_id": explanation.contact_id,
        "as_of": format_instant(explanation.as_of),
        "exists": verdict is not None,
        "member": explanation.member,
        "since": None if explanation.since is None else format_instant(explanation.since),
        "held_out": explanation.held_out,
        "draft": explanation.draft,
        "rule": None if verdict is None else verdict_data(verdict, explanation.names),
        "scores": [reason_data(reason) for reason in explanation.scores],
        "would_change": [list(turn.changes) for turn in explanation.turns],
        "changes_by_itself": None if expiry is None else _expiry(expiry),
        "current_only": list(explanation.current_only),
    }


def verdict_data(verdict: Verdict, names: Mapping[str, str]) -> dict[str, object]:
    """A verdict with all below it.

    Args:
        verdict: its last events and contacts are told, and how many earlier ones were read.
        names: what to call contacts, by id; the id itself where nothing is known.
    """
    return {
        "text": verdict.text,
        "role": verdict.role,
        "holds": verdict.holds,
        "observed": [_observed(item) for item in verdict.observed],
        "note": verdict.note,
        "happened": [_witness(item) for item in verdict.witnesses[-SHOWN:]],
        "happened_earlier": len(verdict.witnesses[:-SHOWN]),
        "contacts": [
            {
                "contact_id": one.contact_id,
                "name": names.get(one.contact_id, one.contact_id),
                "rule": None if one.verdict is None else verdict_data(one.verdict, names),
            }
            for one in verdict.colleagues
        ],
        "parts": [verdict_data(part, names) for part in verdict.parts],
    }


def _witness(witness: Witness) -> dict[str, object]:
    details = {name: _plain(value) for name, value in witness.details.items()}
    return {"what": witness.what, "at": format_instant(witness.at), "details": details, "text": witness.text}


def _expiry(expiry: Expiry) -> dict[str, object]:
    return {"at": format_instant(expiry.at), "condition": expiry.text, "holds": expiry.holds}


def _observed(item: Observed) -> dict[str, object]:
    return {"text": item.text, "value": _plain(item.value), "shown": item.shown}


def reason_data(reason: ModelReason) -> dict[str, object]:
    """A score and where it comes from."""
    return {
        "model": reason.model,
        "score": reason.score,
        "contributions": [
            {"feature": item.feature, "value": item.value, "unit": item.unit, "log_odds": item.log_odds}
            for item in reason.contributions
        ],
    }


def _plain(value: object) -> object:
    match value:
        case datetime():
            return format_instant(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
