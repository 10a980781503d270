"""Blocks in the checked program: their clauses, their defaults, their order, their hashes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.program import CapsBlock, Expectation, GivenEvent, Guard, Program
from segserver.specs.cadence import CapSpec, ChannelCaps, Hours, Sender, Step
from segserver.specs.catalog import Catalog
from segserver.specs.models import Gate, Preparation, PromotionRule
from segserver.specs.targets import Target

DAY = timedelta(days=1)


def program(catalog: Catalog, *texts: str, zone: str = "Europe/Paris") -> Program:
    """The program of some files, which must be right."""
    sources = {f"{number}.seg": text for number, text in enumerate(texts)}
    checked, found = check(sources, catalog, zone=zone)
    assert checked is not None, render(found, sources)
    return checked


# ---- segments ------------------------------------------------------------------------------------------------------


def test_a_segment_has_all_its_clauses(catalog: Catalog) -> None:
    text = """
    segment s "Title"
      where country is known
      minimum size 50
      push to hubspot list "A"
      push to crm property "p"
      push to marketo field "f"
      push to ga4 user property "seg_a"
      push to shop file "a.parquet"
      alert when size changes by more than 20%
      block push when size changes by more than 160%
      draft
      owner "crm@example.com"
    """
    segment = program(catalog, text).segments["s"]
    assert segment.title == "Title"
    assert segment.targets == (
        Target("crm", "list", "A"),
        Target("crm", "property", "p"),
        Target("engage", "property", "f"),
        Target("web", "user property", "seg_a"),
        Target("shop", "file", "a.parquet"),
    )
    assert segment.minimum_size == 50
    assert segment.guards == (Guard(False, Decimal("0.2")), Guard(True, Decimal("1.6")))
    assert segment.draft
    assert segment.owner == "crm@example.com"


def test_a_segment_needs_only_where(catalog: Catalog) -> None:
    segment = program(catalog, "segment s where country is known").segments["s"]
    assert (segment.title, segment.targets, segment.minimum_size, segment.guards) == (None, (), None, ())
    assert (segment.draft, segment.owner) == (False, None)


def test_clauses_stand_in_any_order_and_on_one_line(catalog: Catalog) -> None:
    text = 'segment s owner "a" minimum size 5 where country is known or city is known push to hubspot list "A"'
    assert program(catalog, text).segments["s"].minimum_size == 5


def test_a_vendor_stands_for_its_connection_only_while_there_is_one(catalog: Catalog) -> None:
    two = Catalog(catalog.traits, catalog.events, catalog.channels, {"a": "hubspot"}, {"a": "hubspot", "b": "hubspot"})
    text = 'segment s where country is known push to {} list "A"'
    found = check({"x": text.format("hubspot")}, two, zone="UTC")[1]
    assert [(item.code, item.hint) for item in found] == [("unknown-connection", "say which: `a`, `b`")]
    assert check({"x": text.format("a")}, two, zone="UTC")[0] is not None
    found = check({"x": text.format("b")}, two, zone="UTC")[1]
    assert [item.code for item in found] == ["bad-target"]


# ---- order and hashes ----------------------------------------------------------------------------------------------


def test_blocks_stand_in_dependency_order_whatever_the_files_say(catalog: Catalog) -> None:
    checked = program(
        catalog,
        "segment a where in segment b and t > 1",
        "trait t = u + 1\nsegment b where in segment c",
        "segment c where u > 1\ntrait u = household_size",
    )
    assert list(checked.segments) == ["c", "b", "a"]
    assert list(checked.traits) == ["u", "t"]


RULE = "trait t = household_size + {n}\nsegment base where t > 1\nsegment s where in segment base and score(m) > 0.5\n"
MODEL = "model m predicts did purchase in next 30 days features x = t"


def declarations(catalog: Catalog, text: str) -> dict[str, str]:
    """The hash of every segment and model."""
    checked = program(catalog, text)
    blocks = {**checked.segments, **checked.models}
    return {name: block.declaration for name, block in blocks.items()}


def test_comments_spaces_titles_owners_and_file_order_change_no_hash(catalog: Catalog) -> None:
    plain = declarations(catalog, RULE.format(n=1) + MODEL)
    dressed = (
        f'{MODEL} # learned\nsegment   s "Title"\n where in segment base\n   and score(m) > 0.50 owner "me"\n'
        "segment base where (t > 1)\ntrait t = household_size+1"
    )
    assert declarations(catalog, dressed) == plain
    assert all(len(known) == 64 for known in plain.values())


def test_a_changed_trait_changes_the_hash_of_all_that_read_it(catalog: Catalog) -> None:
    before = declarations(catalog, RULE.format(n=1) + MODEL + "\nsegment other where country is known")
    after = declarations(catalog, RULE.format(n=2) + MODEL + "\nsegment other where country is known")
    assert {name for name in before if before[name] != after[name]} == {"base", "s", "m"}


# ---- models --------------------------------------------------------------------------------------------------------


def test_a_model_has_all_its_clauses(catalog: Catalog) -> None:
    text = """
    trait spend = sum(purchase.amount)
    model m "Title"
      predicts did purchase where amount > 5 at least 2 times in next 4 weeks
      for contacts where consents to email
      gap 36 hours
      cutoffs every 32 days, last 5
      features
        a = count(purchase in last 90 days)
        spend, household_size
        b = lifecycle_stage is "lead"
          and household_size is known
        c = days since last purchase
      algorithm logistic
      calibrate isotonic
      threshold cost of false positive 0.05, of false negative 4
      require positives >= 200, auc >= 0.70, lift at 10% >= 2, calibration error <= 5%, beats baseline
      retrain every 7 days
      expires after 90 days
    """
    model = program(catalog, text).models["m"]
    assert (model.label.low, model.label.high, model.horizon) == (2, None, 28 * DAY)
    assert model.label.count.where is not None
    assert model.population is not None
    assert (model.gap, model.every, model.cutoffs) == (1.5 * DAY, 32 * DAY, 5)
    assert [feature.name for feature in model.features] == ["a", "spend", "household_size", "b", "c"]
    assert (model.algorithm, model.calibrate) == ("logistic", "isotonic")
    assert model.threshold == ("cost", (0.05, 4.0))
    assert model.gates == (
        Gate("positives", ">=", 200.0),
        Gate("auc", ">=", 0.7),
        Gate("lift at 10%", ">=", 2.0),
        Gate("calibration error", "<=", 0.05),
        Gate("beats baseline", ">=", 1.0),
    )
    assert (model.retrain_every, model.expires_after) == (7 * DAY, 90 * DAY)


def test_a_model_needs_only_a_label_and_features(catalog: Catalog) -> None:
    model = program(catalog, "model m predicts did not purchase in next 30 days features household_size").models["m"]
    assert (model.label.low, model.label.high) == (0, 0)
    assert (model.population, model.gap, model.every, model.cutoffs) == (None, None, None, 8)
    assert (model.algorithm, model.calibrate, model.threshold, model.gates) == ("logistic", "auto", ("youden", ()), ())
    assert (model.retrain_every, model.expires_after) == (None, None)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [("youden", ("youden", ())), ("top 10%", ("top", (0.1,))), ("precision 0.4", ("precision", (0.4,))),
     ("recall 80%", ("recall", (0.8,)))],
)  # fmt: skip
def test_a_threshold_is_a_way_and_its_numbers(
    clause: str, expected: tuple[str, tuple[float, ...]], catalog: Catalog
) -> None:
    text = f"model m predicts did purchase in next 30 days features household_size threshold {clause}"
    assert program(catalog, text).models["m"].threshold == expected


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ("", Preparation()),
        ("outliers winsor 1% to 99%", Preparation(bounds=(0.01, 0.99))),
        ("outliers iqr 3", Preparation(outliers="iqr", bounds=(3.0,))),
        ("outliers none transform none", Preparation(outliers="none", bounds=(), transform="none")),
        ("transform auto scale min-max", Preparation(scale="min-max")),
        ("impute median", Preparation(indicator=False)),
        ("impute constant -1 with indicator scale robust", Preparation(fill=-1.0, scale="robust")),
        ("impute constant 0", Preparation(fill=0.0, indicator=False)),
    ],
)
def test_what_is_done_to_features_is_as_written(clauses: str, expected: Preparation, catalog: Catalog) -> None:
    text = f"model m predicts did purchase in next 30 days features household_size {clauses}"
    assert program(catalog, text).models["m"].preparation == expected


@pytest.mark.parametrize(
    ("clause", "column"),
    [("winsor 99% to 1%", 19), ("winsor 5% to 5%", 19), ("winsor 1% to 101%", 19), ("iqr 0", 16), ("iqr -3", 16)],
)
def test_bounds_that_cut_everything_or_nothing_are_findings(clause: str, column: int, catalog: Catalog) -> None:
    text = f"model m\n  predicts did purchase in next 30 days\n  features household_size\n  outliers {clause}"
    found = check({"x": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("bad-number", 4, column)]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("", PromotionRule("better", 0.01)),
        ("promote when auc >= champion", PromotionRule("better", 0.0)),
        ("promote when auc >= champion - 0.02", PromotionRule("better", 0.02)),
        ("promote when auc >= champion - 2%", PromotionRule("better", 0.02)),
        ("promote always", PromotionRule("always")),
        ("promote by hand", PromotionRule("by hand")),
    ],
)
def test_who_takes_over_is_as_written(clause: str, expected: PromotionRule, catalog: Catalog) -> None:
    text = f"model m predicts did purchase in next 30 days features household_size {clause}"
    assert program(catalog, text).models["m"].promotion == expected


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("", ()),
        ("select none", ()),
        ("select lasso", (("lasso", 0.0),)),
        ("select vif 7.5, elastic net, rfe 4, importance top 3",
         (("vif", 7.5), ("elastic net", 0.0), ("rfe", 4.0), ("importance top", 3.0))),
    ],
)  # fmt: skip
def test_features_are_left_out_as_written(
    clause: str, expected: tuple[tuple[str, float], ...], catalog: Catalog
) -> None:
    text = f"model m predicts did purchase in next 30 days features household_size {clause}"
    assert program(catalog, text).models["m"].selection == expected


def test_an_unclosed_parenthesis_hides_no_other_feature(catalog: Catalog) -> None:
    text = (
        "model m\n  predicts did purchase in next 3 days\n  features\n    a = count(purchase\n    b = contry is known"
    )
    found = check({"x": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("syntax-error", 4), ("unknown-name", 5)]


# ---- caps and scenarios --------------------------------------------------------------------------------------------

CAPS = """
caps
  email at most 1 per day, 3 per 7 days at risk 5%
  sms at most 2 per 30 days
  count transactional false
"""


def test_caps_have_their_windows_and_their_joint_risk(catalog: Catalog) -> None:
    assert program(catalog, CAPS).caps == CapsBlock(
        (
            ChannelCaps("email", (CapSpec(1, DAY), CapSpec(3, 7 * DAY)), 0.05),
            ChannelCaps("sms", (CapSpec(2, 30 * DAY),), None),
        )
    )


def test_counting_transactional_messages_is_refused_by_name(catalog: Catalog) -> None:
    _, found = check({"a.seg": CAPS.replace("false", "true")}, catalog, zone="UTC")
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("not-supported-yet", 5, 23)]


SCENARIO = """
segment quiet where did not purchase in last 60 days
scenario back "Come back"
  for quiet
  channels email, then sms
  send email by marketo campaign "C", sms by hubspot property "send"
  inform hubspot properties, ga4 user property "seg_channel"
  content "back_{country}"
  steps day 0, day 4 "reminder"
  value household_size * 2
  priority high
  between 09:00 and 19:30 in contact's time zone, not on saturday, sunday
  stop when did purchase
  valid for 14 days
  again after 90 days
  hold out 10%
"""


def test_a_scenario_has_all_its_clauses(catalog: Catalog) -> None:
    scenario = program(catalog, SCENARIO).scenarios["back"]
    assert (scenario.title, scenario.segment, scenario.channels) == ("Come back", "quiet", ("email", "sms"))
    assert scenario.senders == (
        Sender("email", "engage", "campaign", "C"),
        Sender("sms", "crm", "property", "send"),
    )
    assert scenario.inform == (Target("crm", "properties", ""), Target("web", "user property", "seg_channel"))
    assert scenario.content == "back_{country}"
    assert scenario.steps == (Step(timedelta(0), None), Step(4 * DAY, "reminder"))
    assert scenario.every is None
    assert scenario.value is not None
    assert scenario.priority == 3
    assert scenario.hours == Hours(540, 1170, (6, 7), "contact")
    assert scenario.stop is not None
    assert (scenario.valid_for, scenario.again_after, scenario.hold_out) == (14 * DAY, 90 * DAY, Decimal("0.1"))
    assert len(scenario.declaration) == 64


SHORT = "segment q where country is known\nscenario s\n  for q\n  channels email\n"
SEND = '  send email by marketo campaign "C"\n'


def test_a_scenario_with_a_rate_needs_little_else(catalog: Catalog) -> None:
    scenario = program(catalog, f'{SHORT}{SEND}  content "c"\n  every about 10 days').scenarios["s"]
    assert (scenario.every, scenario.steps, scenario.priority) == (10 * DAY, (), 2)
    assert (scenario.hours, scenario.stop, scenario.value, scenario.valid_for) == (None, None, None, None)
    assert (scenario.again_after, scenario.hold_out, scenario.inform) == (None, Decimal(0), ())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (SEND, [("missing-clause", 2, 10)]),
        (f'{SEND}  steps day 0 "a"\n  every about 3 days\n', [("conflicting-clauses", 7, 3)]),
        (f"{SEND}  every about 3 days\n", [("missing-clause", 2, 10)]),
        (f"{SEND}  every about 3\n  content \"a\"", [("duration-needs-unit", 6, 15)]),
        (f'{SEND}  steps day 0 "a", day 0 "b"', [("bad-number", 6, 24)]),
        (f"{SEND}  steps day 0", [("missing-clause", 6, 9)]),
        (f'{SEND}  steps day 0 "a{{contry}}"', [("unknown-name", 6, 17)]),
        (f'{SEND}  steps day 0 "a}}"', [("bad-placeholder", 6, 17)]),
        ('  send email by marketo list "C"\n  steps day 0 "a"', [("bad-target", 5, 25)]),
        ('  send email by ga4 campaign "C"\n  steps day 0 "a"', [("bad-target", 5, 21)]),
        (f'{SEND}  send email by hubspot property "p"\n  steps day 0 "a"', [("two-senders", 6, 8)]),
        (f'{SEND}  send sms by hubspot property "p"\n  steps day 0 "a"', [("unknown-channel", 6, 8)]),
        (f'{SEND}  inform hubspot properties "x"\n  steps day 0 "a"', [("bad-target", 6, 29)]),
        (f'{SEND}  inform ga4 user property\n  steps day 0 "a"', [("bad-target", 6, 14)]),
        (f'{SEND}  steps day 0 "a"\n  between 19:00 and 09:00', [("reversed-between", 7, 11)]),
        (f'{SEND}  steps day 0 "a"\n  hold out 110%', [("bad-number", 7, 12)]),
        (f'{SEND}  steps day 0 "a"\n  valid for 2 months', [("calendar-duration", 7, 13)]),
        (f'{SEND}  steps day 0 "a"\n  value country', [("type-mismatch", 7, 9)]),
        (f'{SEND}  steps day 0 "a"\n  priority urgent', [("syntax-error", 7, 12)]),
        (f'{SEND}  steps day 0 "a", day 1 "b"\ncaps email at most 1 per 2 days', [("steps-over-cap", 6, 3)]),
    ],
)  # fmt: skip
def test_a_bad_scenario_has_its_finding(lines: str, expected: list[tuple[str, int, int]], catalog: Catalog) -> None:
    found = check({"x": SHORT + lines}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line, item.span.column) for item in found] == expected


def test_steps_exactly_as_far_apart_as_the_cap_are_fine(catalog: Catalog) -> None:
    text = f'{SHORT}{SEND}  steps day 0 "a", day 2 "b"\ncaps email at most 1 per 2 days'
    assert program(catalog, text).scenarios["s"].steps[1].after == 2 * DAY


@pytest.mark.parametrize(
    ("clause", "column"),
    [
        ("stop when country is known or top 10% by household_size", 13),
        ("stop when t", 13),
        ("value points(5 if percentile of household_size > 90)", 9),
    ],
)
def test_a_scenario_looks_at_one_contact_at_a_time(clause: str, column: int, catalog: Catalog) -> None:
    text = f'{SHORT}{SEND}  steps day 0 "a"\n  {clause}\ntrait t = top 5 by household_size'
    found = check({"x": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("only-in-segments", 7, column)]


def test_a_scenario_may_read_a_segment_that_ranks(catalog: Catalog) -> None:
    text = f'{SHORT}{SEND}  steps day 0 "a"\n  stop when in segment best\nsegment best where top 5 by household_size'
    assert program(catalog, text).scenarios["s"].stop is not None


# ---- tests ---------------------------------------------------------------------------------------------------------


def test_a_test_gives_contacts_typed_as_the_store_holds_them(catalog: Catalog) -> None:
    text = """
    model m predicts did purchase in next 30 days features household_size
    segment s where score(m) > 0.5
    test "title"
      at 2026-03-01 09:00
      given a contact created 30 days before with country "FR", household_size 3, mrr 5 EUR, subscribed true,
          signup_date 2026-01-02, last_login 2026-07-02 10:00, interests ("a", "b")
        who did purchase with amount 250 USD, categories ("C") 2 days, 1 week and 9 hours before
        and did page_view 1 minute before
        with score(m) 0.8
      expect in s
      given a contact
      expect not in s, in s
    """
    (test,) = program(catalog, text).tests
    assert (test.title, test.at) == ("title", datetime(2026, 3, 1, 8))
    (first, expected), (second, others) = test.contacts
    assert first.created_at == datetime(2026, 1, 30, 8)
    assert first.traits == {
        "country": "FR",
        "household_size": Decimal(3),
        "mrr": Decimal(5),
        "subscribed": True,
        "signup_date": date(2026, 1, 2),
        "last_login": datetime(2026, 7, 2, 8),
        "interests": ("a", "b"),
    }
    bought = {"amount": Decimal(250), "categories": ("C",)}
    assert first.events == (
        GivenEvent("purchase", datetime(2026, 2, 27, 8), bought),
        GivenEvent("purchase", datetime(2026, 2, 22, 8), bought),
        GivenEvent("purchase", datetime(2026, 2, 28, 23), bought),
        GivenEvent("page_view", datetime(2026, 3, 1, 7, 59), {}),
    )
    assert first.scores == {"m": Decimal("0.8")}
    assert expected == (Expectation("s", True),)
    assert (second.created_at, second.events) == (None, ())
    assert others == (Expectation("s", False), Expectation("s", True))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-29 02:30", datetime(2026, 3, 29, 1, 30)),  # does not exist: moves forward to 03:30
        ("2026-10-25 02:30", datetime(2026, 10, 25, 0, 30)),  # exists twice: the first
        ("2026-07-01", datetime(2026, 6, 30, 22)),
    ],
)
def test_the_instant_of_a_test_is_local_time(at: str, expected: datetime, catalog: Catalog) -> None:
    text = f'segment s where country is known test "t" at {at} given a contact expect in s'
    assert program(catalog, text).tests[0].at == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('with contry "FR"', [("unknown-name", 22)]),
        ('with country "FR", country "BE"', [("duplicate-name", 36)]),
        ("with household_size 3 EUR", [("unit-mismatch", 37)]),
        ('with household_size ("a")', [("type-mismatch", 22)]),
        ("with created_at 2026-01-01", [("unknown-name", 22)]),
        ("with t 5", [("unknown-name", 22)]),
        ("created 2 months before", [("calendar-duration", 25)]),
        ("who did purchse 2 days before", [("unknown-event", 25)]),
        ("who did purchase with amout 5 2 days before", [("unknown-property", 39)]),
        ("who did purchase", [("syntax-error", 33)]),
        ("who did purchase 2 months before", [("calendar-duration", 34)]),
        ("with score(n) 0.5", [("unknown-model", 28)]),
        ("with score(m) 5", [("score-range", 31)]),
    ],
)
def test_what_does_not_fit_the_catalog_is_a_finding(
    given: str, expected: list[tuple[str, int]], catalog: Catalog
) -> None:
    head = (
        "trait t = 1\nmodel m predicts did purchase in next 3 days features household_size\n"
        'segment s where country is known\ntest "t"\nat 2026-03-01\n'
    )
    found = check({"x": f"{head}given a contact {given}\nexpect in s"}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.column) for item in found if item.span.line == 6] == expected
    assert len(found) == 1
