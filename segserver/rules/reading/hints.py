"""Cures: how to mend a phrase that cannot be read, by the words around the place where it breaks off."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from segserver.rules.reading import idioms
from segserver.rules.reading.keywords import CLAUSES, OPERATOR_PHRASES, RESERVED
from segserver.rules.reading.source import Kind, Token
from segserver.rules.suggest import nearest

_AFTER_VALUE = (
    *OPERATOR_PHRASES,
    *("where", "at least", "at most", "exactly", "in last", "today", "since"),
    *(clause for clauses in CLAUSES.values() for clause in clauses),
)

_NAMED = (
    "a value",
    "a condition",
    "a name",
    "a model",
    "a segment",
    "an event",
    "a property",
    "a channel",
    "a connection",
)

_ORDER = "the order is: the event, `where ...`, how often, when"
_SEQUENCE_ORDER = (
    "the order is: the event, `where ...`, and behind a later step `within ...`, which counts from the step before; "
    "the window stands last"
)
_REGULAR = "write `in at least 3 of last 4 weeks`"
_REGULAR_APART = "write it as a condition of its own, joined with `and`: `did login in at least 3 of last 4 weeks`"
_REGULAR_ALONE = "`in at least 3 of last 4 weeks` says when by itself: leave the other window out"

_BETWEEN_AGES = "a window ends now; for what is older compare two: `count(login) > count(login in last 30 days)`"
_COMING = "write `between today and 30 days from now`; of a birthday `in next 7 days`"
_NATURAL = (
    (r"\bdid «any» |\bdid any «", "name the event; join several with `or`"),
    (r"\bin last .*«to» [0-9]", _BETWEEN_AGES),
    (r"\bdid [^«]*(?:«[0-9.]+»|«more» than [0-9.]+|«between» [0-9.]+|«before» [0-9.]+) \w+ ago\b", _BETWEEN_AGES),
    (r"\bdid [^«]*«on»", "one day is `between 2026-03-01 and 2026-03-01`, or `today`"),
    (r"\bdid [^«]*«after»", "write `since {next}`"),
    (r"\bdid [^«]*«more» than", "write `at least`, one more than that, and `times`"),
    (r"\bdid [^«]*«(?:less|fewer)» than", "write `at most`, one less than that, and `times`"),
    (r"\bdid [^«]*«[0-9]+» times?\b", "write `exactly {found} times` or `at least {found} times`"),
    (r"\bdid [^«]*«(?:once|twice)»", "write `at least 2 times`, `exactly 1 time`; `did` alone means at least once"),
    (r"\bdid [^«]*«never»", "write `did not` and the event"),
    (r"\bdid [^«]*«in» the last\b", "leave `the` out: `in last`"),
    (r"\bdid [^«]*«in» (?:the )?(?:past|previous)\b", "write `in last`"),
    (r"\bdid [^«]*«in» [0-9]{4}\b", "write `between 2025-01-01 and 2025-12-31`, or `this year`"),
    (r"«(?:this|last)» quarter\b", "a quarter is written with its days: `between 2026-01-01 and 2026-03-31`"),
    (r"\bdid \w+ «(?:with|\()»", "write `where`, and several comparisons in parentheses"),
    (r"\) [<>=]+ [^«]*«in» last\b", "the window stands inside: `count(purchase in last 30 days) > 3`"),
    (r"\bchanged [^«]*«(?:from|to)»", "`from` and `to` stand before the window"),
    (r"\bchanged «at»", "whether a trait changed can be asked, and not how often"),
    (r"\bchanged «by»|«(?:increased|decreased|rose|fell)»", "write the values: `changed from 5 to 10 in last 7 days`"),
    (r"«(?:was|were)»", 'write `changed from "lead" in last 30 days`, or of the present `is`'),
    (r"«(?:does|do)» not\b", "`not` stands before the whole condition: `not country contains ...`"),
    (r"«not» (?:between|contains|like|starts|ends|matches|within)\b", "write `not` before all of the condition"),
    (r"«not» consent", "write `not consents to`"),
    (r"\bis one «of»", "write `in (...)`"),
    (r"«(?:exists|exist)»|^has «", "write `is known`"),
    (r"^(?:avg|mean) «\(»", "write `average(purchase.amount)`"),
    (r"^(?:unique|uniq) «\(»", "write `distinct(purchase.amount)`"),
    (r"^total «", "write `sum(purchase.amount)`"),
    (r"^(?:number «of»|count «)", "write `count(purchase in last 30 days)`"),
    (r"^last «\w+» (?:more than|before|after|[<>])", "write `days since last {found} > 30 days`"),
    (r"^\w+ «at» (?:least|most)", "of an event write `did {before} at least ...`"),
    (r"^at «least» [0-9]+ of\b", "the conditions stand in parentheses, with commas: `at least 2 of (..., ...)`"),
    (r"^at «least» [0-9]+ \(", "write `at least 2 of (...)`"),
    (r"^at «most» [0-9]+ of\b|^exactly «[0-9]+» of\b", "write `not at least 2 of (...)`"),
    (r"[0-9] «\.» [0-9]", "a date is written year-month-day: 2026-03-01"),
    (r"\b(?:days|time|weeks|months) «since»", "of an event write `days since last`; of a date `after 30 days ago`"),
    (r"^\w+ «since»", "a value is compared: `>= 2026-03-01`, `after 30 days ago`"),
    (r"^\w+ «(?:this|last|next)»", "this is a window of events; a value is compared: `after 30 days ago`"),
    (r"«but»", "write `and`"),
)
"""How people say it elsewhere, and what it is here; as in `_SURPLUS`."""

_SURPLUS = (
    (r"[=<>] «=»", "one sign is enough: `=`, `<=`, `>=`"),
    (r"^then «", "a sequence goes on without `and`: `did ... then {found}`"),
    (r"«,» then\b", "a sequence goes on without a comma: `did ... then`"),
    (r"\bin segment \w+ «,»", "write `in segment` before each, joined with `or`"),
    (r"\" «,» \"", "one of several values is `in (...)`"),
    (r"«,»", "join conditions with `and` or `or`"),
    (r"^first did .*«then»", "`first did` begins no sequence; write a condition of its own, joined with `and`"),
    (r"«then»", "a sequence begins with `did`: `did page_view then form_submit`"),
    (r"«followed»", "write `then`"),
    (r"^never «did»", "write `did not`"),
    (r"\b(?:DID|Did) «", "keywords are in small letters: `did`"),
    (r"«did» (?:not )?change", "write `changed in last 7 days`; `not` stands before the whole condition"),
    (r"«has» not\b|«not» (?:changed|has)\b", "`not` stands before the whole condition"),
    (r"\bis within «", "leave `is` out: `within 30 km of (48.85, 2.35)`"),
    (r"\bthen\b.*«within»|«within».*\bthen\b", _SEQUENCE_ORDER),
    (r"«within»", "write `in last 7 days`, or behind a place `within 30 km of (...)`"),
    (r"«near»", "write `within 30 km of (48.85, 2.35)`"),
    (r"\b(?:percentile|anniversary) «\(»", "write `{before} of ...`, without parentheses"),
    (r"«in» .*\bcontact", "write `in contact's time zone`"),
    (r"\b(?:then|first did)\b.*«in» at least", _REGULAR_APART),
    (r"\b(?:last|this|today|yesterday|since)\b.*«in» at least", _REGULAR_ALONE),
    (r"«in» .*\blast\b.*\bof\b|«in» .*\bof last\b|\bin last [0-9]+ «of»", _REGULAR),
    (r"\bthen\b.*«in» [0-9]", "write `within 2 days`"),
    (r"\bthen\b.*«(?:where|at|exactly|in)»", _SEQUENCE_ORDER),
    (r"«contacts?» of accounts?\b", "write `any contact of account`"),
    (r"^was «", "write `was in segment vip`"),
    (r"^(?:entered|left) «", "write `{before} segment {found}`"),
    (r"«(?:today|yesterday)»", "write `on {found}`"),
    (r"^(?:bottom|lowest) «", "write `percentile of spend <= 10`"),
    (r"^random «", 'write `bucket("a name of its own") in 0 to 999`, which is a tenth'),
    (r"^consents? «", "write `consents to {found}`"),
    (r"^(?:member|part) «", "write `in segment vip`"),
    *_NATURAL,
)
"""By what stands around the surplus word, which is «so»; the first that fits."""

_WRONG = (
    idioms.WINDOW_IN_WHERE,
    (
        r"\bnext «(?:week|month|year|day)»",
        "say how long: `in next 7 days`",
    ),
    (
        r"\blast «(?:week|month|year|day)»",
        "say how long: `in last 7 days`; the calendar {found} is `{before} {found}`, without `in`",
    ),
    (r"[=<>] «=»", "one sign is enough: `=`, `<=`, `>=`"),
    (r"\bthen (?:not )?«did»", "write `then` and the event, without `did`"),
    (r"\bis not «in»", "leave `is` out: `not in`"),
    (r"\bis «(?:in|contains|between|like|before|after|on)»", "leave `is` out"),
    (r"\bleast «once»|\bleast «twice»", "write a number: `at least 1 time`"),
    (r"\btop [0-9.]+ «percent»", "write `{before}%`"),
    (r"\btop [0-9.]+ %? ?«of»", "write `top 10% by spend among segment vip`; without `among` it is of all"),
    (r"\bin segment «\"", "write the segment's name, which has no quotes"),
    (r"\b(?:and|or) «(?:[<>]=?|=)»", "write the name again, or `between 1 and 3`"),
    (r"^in «top»|^«in» top", "leave `in` out: `top 10% by score(buy_soon)`"),
    (r"^(?:not )?«in» (?:list )?\w", "write `in segment vip`"),
    (r"^«is»", "a condition begins with what is compared; of a segment write `in segment vip`"),
    (r"\bin «(?:this|the|last|past)»", "a value is compared: `after 30 days ago`, `>= 2026-03-01`"),
    (r"\bin «[0-9]{4}»", "a value is compared: `>= 2025-01-01`, and `before 2026-01-01`"),
    (r"\bsince «(?:[0-9]+» \w+ ago|last»)", "write `in last` and how long"),
    (r"\b(?:least|most|exactly) [0-9]+ «in»", "write `times` behind the number"),
    (r"\bin «[0-9]+» (?:days|weeks|months)|\bin «less»", _COMING),
    (r"\bwithin «last»", "an event has `in last 30 days`, a date `after 30 days ago`"),
)
"""As `_SURPLUS`, for a word where another thing was expected."""

_EXAMPLES = {
    "bucket": 'bucket("spring test") in 0 to 4999',
    "top": "top 10% by score(buy_soon)",
    "percentile": "percentile of spend >= 90",
    "anniversary": "anniversary of created_at in next 7 days",
    "changed": 'changed from "lead" to "mql" in last 7 days',
    "been": 'has been "mql" for at least 3 days',
    "entered": "entered segment vip in last 7 days",
    "left": "left segment vip in last 7 days",
    "was": "was in segment vip in last 6 months",
    "then": "did page_view then form_submit within 2 days in last 30 days",
    "within": "within 30 km of (48.85, 2.35)",
}
"""By a word of the phrase that cannot be read."""


_LOOKED_AT = 60
"""Words before and behind a place."""

_LONGEST = 60
"""Characters of a word that count: a text may be as long as a file, and each pattern looks through all of it."""


def for_surplus(found: Token, tokens: Sequence[Token]) -> str | None:
    """The cure where a phrase should have ended before a token."""
    known = _known((*idioms.SURPLUS, *_SURPLUS), found, tokens)
    if known is not None:
        return known
    near = _keyword(found.text, _AFTER_VALUE) if found.kind is Kind.WORD else None
    if near and near != found.text:
        return f"did you mean `{near}`?"
    if found.text in ("where", "at", "exactly", "in"):
        return _ORDER
    return _known(idioms.LAST, found, tokens) or "join conditions with `and` or `or`"


def _keyword(word: str, known: Iterable[str]) -> str | None:
    """The keyword a mistyped word stands for: what begins with it, or is spelled nearly so."""
    phrases = sorted(known)
    begun = [phrase for phrase in phrases if phrase.split()[0] == word.casefold()]
    swapped = [phrase for phrase in phrases if sorted(phrase) == sorted(word.casefold())]
    near = difflib.get_close_matches(word.casefold(), phrases, n=1, cutoff=0.75) if len(word) > 3 else []
    return next(iter([*begun, *swapped, *near]), None)


_NAME = "a name is letters, digits and `_`: `hot_leads`"


def for_name(found: Token, following: Token | None) -> str:
    """The cure where a block should have its name and another word stands there."""
    if found.kind is Kind.TEXT:
        return f"the name stands before the title: `hot_leads {found.text}`"
    if found.text in (":", "-"):
        return f"leave `{found.text}` out"
    if found.kind is Kind.NUMBER and following is not None and following.start == found.end:
        return f"a name begins with a letter: `{following.text.strip('_')}_{found.text}`"
    return f"`{found.text}` is a keyword; {_NAME}" if found.text in RESERVED else _NAME


def for_head(found: Token, name: Token, following: Token | None, block: str) -> str | None:
    """The cure where a word behind a block's name begins no clause.

    Args:
        found: that word.
        name: the word before it.
        following: the word behind it on the same line, if any.
        block: the block's keyword.
    """
    joined = f"{name.text}_{following.text}" if following else name.text
    if found.text == "-" and found.start == name.end:
        return f"a name has no `-`: `{joined}`"
    if found.text == ":":
        return "leave `:` out"
    if (block, found.text) == ("scenario", "segment") and following is not None:
        return f"write `for {following.text}`"
    if block == "segment" and (found.text in ("=", "if", "when", "filter", "(", "not", "did") or following is None):
        return "conditions stand behind `where`"
    return None


def for_surplus_in_clause(found: Token, tokens: Sequence[Token], block: str) -> str | None:
    """The cure where a clause of a block, one that holds no condition, should have ended before a token."""
    if block == "exclusive":
        return "segments stand with commas between them"
    near = nearest(found.text, CLAUSES[block]) if found.kind is Kind.WORD else None
    return f"did you mean `{near}`?" if near and near != found.text else _known(idioms.CLAUSES, found, tokens)


def for_missing(expected: str, tokens: Sequence[Token]) -> str | None:
    """The cure where a phrase ends too soon."""
    if expected.startswith("a comparison such as") and any(token.text == "where" for token in tokens):
        return "put what belongs to `where` in parentheses: `percentile of ... where (amount > 5) >= 90`"
    if expected.startswith("a length of time") and tokens[0].text == "did":
        return "say when: `2 days before`"
    return 'for example "FR", 5, 3 days or 2026-03-01' if expected == "a value" else _example(tokens[-1], tokens)


def for_wrong(expected: str, found: Token, tokens: Sequence[Token]) -> str | None:
    """The cure where another thing than a token was expected."""
    known = _known((*_WRONG, *idioms.WRONG), found, tokens)
    if known is not None:
        return known
    if found.text == "unknown" and expected == "a written value":
        return "a change to or from unknown has no form of its own; `is unknown` asks about the present value"
    if found.text == "," and expected == "`)`":
        return "a list stands behind `in`, a place behind `within 30 km of`"
    if expected.startswith("a figure"):
        return "figures are `positives`, `auc`, `calibration error`, `lift at 10%` and `beats baseline`"
    if expected.startswith("a percentage") and found.kind is Kind.NUMBER:
        share = Decimal(found.text)
        return f"write `{(share * 100).normalize() if share < 1 else share:f}%`"
    if expected.startswith("a comparison, or several"):
        return "`where` takes one comparison, or several in parentheses"
    if found.text in RESERVED and expected.startswith(_NAMED):
        return f"`{found.text}` is a keyword"
    if found.kind is Kind.TEXT and expected.startswith(_NAMED[2:]):
        return "a name stands without quotes"
    if found.text in (":", "="):
        return f"leave `{found.text}` out"
    cured = next((cure for start, cure in idioms.EXPECTED.items() if expected.startswith(start)), None)
    return _example(found, tokens) or cured or _in_its_place(expected, found)


def _in_its_place(expected: str, found: Token) -> str | None:
    """The cure where one certain word is expected."""
    if not re.fullmatch(r"`[a-z]+`", expected):
        return None
    return f"write {expected}" if found.kind is Kind.WORD else f"write {expected} before `{found.text}`"


def _known(cures: Sequence[tuple[str, str]], found: Token, tokens: Sequence[Token]) -> str | None:
    place = tokens.index(found)
    first = max(place - _LOOKED_AT, 0)
    near_by, index = tokens[first : place + _LOOKED_AT], place - first
    told = [token.text if len(token.text) <= _LONGEST else f"{token.text[:_LONGEST]}..." for token in near_by]
    around = " ".join([*told[:index], f"«{found.text}»", *told[index + 1 :]])
    cure = next((cure for pattern, cure in cures if re.search(pattern, around)), None)
    if cure is None:
        return None
    near = {
        "found": found.text,
        "before": told[max(index - 1, 0)],
        "next": " ".join(told[index + 1 : index + 2]),
    }
    return re.sub(r"\{(found|before|next)\}", lambda match: near[match[1]], cure)


def _example(found: Token, tokens: Sequence[Token]) -> str | None:
    """An example of what the words before a place begin, the nearest word deciding."""
    before = [token.text for token in tokens if token.start <= found.start and token.text in _EXAMPLES]
    near = "then" if "then" in before else before[-1] if before else None
    return f"for example `{_EXAMPLES[near]}`" if near else None
