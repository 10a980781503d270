"""Signs that mean nothing in a rule file: how each is shown, and what to write instead."""

from __future__ import annotations

_ITEM = r'(?:"[^"\n]*"|[\w.-]+)'

BEFORE_WORDS = r"(?P<negated>[A-Za-z]+n['’]t\b)"
BEFORE_NUMBERS = r"(?P<grouped>[0-9]{1,3}(?:['’][0-9]{3})+)"
BEFORE_SYMBOLS = r"(?P<sign>!=|<>|&&|\|\|) | (?P<comment>(?://|/\*|--[ ])[^\n]*)"
AT_LAST = rf"""
      (?P<open>"[^"\n]*)
    | (?P<quoted>[“„][^“”„\n]*[“”]|[‘‚][^‘’‚\n]*[‘’]|[«‹][^»›«‹\n]*[»›]|'[^'"\n]*'|`[^`"\n]*`)
    | (?P<listed>[\[{{]\s*{_ITEM}(?:\s*,\s*{_ITEM})*\s*[\]}}])
    | (?P<stray>.)
"""
"""Patterns of what has no meaning, each to be tried before the tokens it would be cut into.

No quote is looked for beyond the next of its own kind, so a line full of them costs no more than its length.
"""

KINDS = frozenset({"negated", "grouped", "sign", "comment", "open", "quoted", "listed", "stray"})

_WHOLE = frozenset({"negated", "grouped", "sign"})
_NOT = "`not` stands before the whole condition: `not country contains ...`"
_NEGATED = {"didn't": "write `did not`", "isn't": "write `is not`"}
_SIGNS = {
    "!=": "write `is not`",
    "<>": "write `is not`",
    "&&": "write `and`",
    "||": "write `or`",
    "”": 'text stands between straight quotes: "..."',
    "’": 'text stands between double quotes: "..."',
    "'": 'text stands between double quotes: "..."',
    "!": "write `is not` for inequality and `not` before a condition",
    "&": "write `and`",
    "|": "write `or`",
    "[": "lists stand in parentheses",
    "{": "blocks have no braces: they run to the next block",
    ";": "clauses need no separator",
    "$": "money has its unit behind the number: 100 USD",
    "€": "money has its unit behind the number: 100 EUR",
    "£": "money has its unit behind the number: 100 GBP",
    "≥": "write `>=`",
    "≤": "write `<=`",
    "≠": "write `is not`",
    "–": "write `-`",
    "—": "write `-`",
    "−": "write `-`",
    "×": "write `*`",
    "÷": "write `/`",
}
_ANY = "leave it out; only inside the quotes of a text may any sign stand"


def shown(kind: str, text: str) -> str:
    """What a finding calls it; never what a terminal would not show."""
    part = text if kind in _WHOLE else text[:2] if kind == "comment" else text[0]
    return part if part.isprintable() else f"U+{ord(part[0]):04X}"


def cure(kind: str, text: str) -> str:
    """What to write instead.

    Args:
        kind: the name of the pattern that found it, one of `KINDS`.
        text: what stands there.
    """
    inside = text[1:-1].strip()
    match kind:
        case "open":
            return 'put a `"` at its end, on the same line'
        case "negated":
            return _NEGATED.get(text.casefold().replace("’", "'"), _NOT)
        case "comment":
            return "a comment begins with `#`"
        case "grouped":
            return f"digits of a number stand together: {''.join(filter(str.isdigit, text))}"
        case "quoted" if text[0] == "`":
            return f"a name stands without quotes: {inside}"
        case "quoted":
            return f'text stands between straight double quotes: "{inside}"'
        case "listed" if "," not in inside and '"' not in inside:
            return f"a name stands without quotes: {inside}"
        case "listed":
            return f"a list stands in parentheses: ({inside})"
        case _:
            return _SIGNS.get(text if kind == "sign" else text[0], _ANY)
