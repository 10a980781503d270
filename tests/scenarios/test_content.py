"""Template keys and placeholders."""

from __future__ import annotations

from segserver.scenarios.content import Filled, fill


def test_placeholders_are_filled_with_traits() -> None:
    assert fill("winback_{country}_{tier}", {"country": "FR", "tier": "gold"}) == Filled("winback_FR_gold")


def test_a_template_without_placeholders_and_no_template_pass_unchanged() -> None:
    assert fill("winback_1", {}) == Filled("winback_1")
    assert fill(None, {}) == Filled(None)


def test_unknown_placeholders_are_named_in_their_order() -> None:
    assert fill("{b}_{country}_{a}", {"country": "FR", "a": None}) == Filled(None, ("b", "a"))


def test_an_empty_text_is_known() -> None:
    assert fill("x_{tier}", {"tier": ""}) == Filled("x_")


def test_a_value_with_braces_is_not_filled_again() -> None:
    assert fill("x_{tier}", {"tier": "{country}", "country": "FR"}) == Filled("x_{country}")
