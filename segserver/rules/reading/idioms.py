"""How other languages and products say a thing, and how it is said here.

Each entry is a pattern over the words around the place where a phrase breaks off, which are joined by single spaces
with the word found there as «word», and the cure; in it stand `{found}`, `{before}` and `{next}` for these words. The
first that fits is taken.
"""

from __future__ import annotations

_LENGTH = r"(?:minutes?|hours?|days?|weeks?|months?|years?)"
_DIGITS = "write numbers in digits"
_NUMBER_WORD = (
    r"«(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|sixty|ninety|hundred|thousand)»"
)
_WINDOW_INSIDE = "the window stands inside: `count(purchase in last 30 days) > 3`"
_SEVERAL = "one of several values is `in (...)`"
_IN_LIST = 'values stand in parentheses with commas between them: `in ("FR", "BE")`'
_RANGE = "write `between 50 and 100`"
_LIST = "write `contains any of (...)` or `contains all of (...)`"
_DATE = "a date is written year-month-day: 2026-03-01"
_NO_FUNCTION = "there is no such function; `ignoring case` behind a comparison is for letter case"

WINDOW_IN_WHERE = (
    r"(?:^|\b(?:and|or) )\w+ (?:[<>]=?|=|is) [^ «]+(?: [A-Z]{3})? «in» last|(?:^|\b(?:and|or) )«in» last",
    "a window stands behind an event and the `)` of its `where`: `did purchase where (amount > 5) in last 30 days`",
)
"""For a window among the comparisons of an event, whatever was expected there."""

SURPLUS = (
    WINDOW_IN_WHERE,
    (r"^\w+ «consents?»", "write `consents to {before}`"),
    (r"\btop .*«in» segment \w", "write `among`: `top 20 by spend among segment vip`"),
    (
        r"^\w+ \. \w+ in last [0-9]+ \w+ «[<>=]",
        "say which of the values: `sum(purchase.amount in last 30 days) > 100`, or `average`, `max`",
    ),
    (r"\bdid (?!.*\bthen\b)[^«]*«in» [0-9]+ " + _LENGTH, "write `in last`, as in `in last 30 days`"),
    (r"^\w+ «ilike»", "write `like`, and `ignoring case` behind the text"),
    # words that stand in a row
    (r"^(?:NOT|Not) «|^(?:ANY|ALL|NONE) «", "keywords are in small letters: `not`, `any of`"),
    (r"[<>=] [A-Z]{3} «[0-9.]+»", "the unit stands behind the number: `{found} {before}`"),
    (r"[0-9]-[0-9]+ «T[0-9]+»", "a time stands behind a space, in the workspace's zone: 2026-03-01 09:00"),
    (r"[0-9]-[0-9]+ «[0-9]+»", "a time is hours and minutes: 2026-03-01 09:00"),
    (r"\b[0-9]{1,3} «[0-9]{3}\b", "a number has no spaces: 1000"),
    (r"[0-9] «,» [0-9]{3}\b", "a number has no commas: 1000"),
    (
        r"\b[0-9.]+ «,» [0-9]+(?: \)|$| (?:and|or)\b)",
        "the decimals stand behind a point: 0.5; groups of digits stand together: 1000",
    ),
    (r"[0-9] «\.»(?: and| or|$)|\" «\.»", "leave `.` out"),
    (r"\bnow «\(»", "write `30 days ago`, and `0 days ago` for now"),
    (r"\bis (?:any|either) «of»", _SEVERAL),
    (r"\bis [^ ]+ «,» [\"0-9]|\bis \( [^)]*«,»", _SEVERAL),
    (r"^\w+ «not» (?:is|equal)", "write `is not`"),
    (r"^\w+ «(?:equals?|eq)»", "write `is` or `=`"),
    (r"\bequal «to»", "leave `equal to` out: `is`, `is not`"),
    (r"^(?:lower|upper|trim|len|length|year|month|date|day|concat|coalesce) «\(»", _NO_FUNCTION),
    (r"«(?:case|caseless|ignore|ignores|insensitive)»", "write `ignoring case` behind the comparison"),
    (r"^\w+ «(?:begins?|startswith|start)»", "write `starts with`"),
    (r"^\w+ «(?:endswith|end)» \"", "write `ends with`"),
    (r"^\w+ «(?:includes?|has|have|having|containing)» (?:\"|\()", "write `contains`"),
    (r"\bcontains (?:any|all|none) «\(»", "write `contains {before} of (...)`"),
    (r"\bcontains \( [^)]*«,»|\bcontains \"[^«]* «,»", _LIST),
    (r"^\w+ «has» (?:any |a |no )?value", "write `is known` or `is unknown`"),
    (r"^has «\w+»", "of a trait write `{found} is known`, of an event `did` and its name"),
    (r"^(?:when|if|whenever|where|with|either|both|every|each) «", "leave `{before}` out"),
    (r"^score «\w+»", "write `score({found})`"),
    (r"^likely «to» ", "write `likely({next})`"),
    (r"^consents? «(?:to|for)»", "write `consents to {next}`"),
    (
        r"^any «of» |^all «of» |^none «of» ",
        "the conditions stand in parentheses, with commas: `{before} of (..., ...)`",
    ),
    (r"^(?:all|every) «(?:contacts|customers|people|users)»", "for everybody write `true`"),
    (r"«unless»", "write `and not`"),
    (r"«xor»", "write `at least 1 of (...) and not at least 2 of (...)`"),
    (r"\bor else «|\bor either «", "leave `{before}` out"),
    (r"^\w+ «(?:became|becomes|turned)»", "write `changed to {next} in last 7 days`"),
    (
        r"\bchanged [^«]*«(?:more|less)» than",
        "write `changed in last 30 days`; for longer ago `has been ... for at least 3 days`",
    ),
    (r"\bchanged «in» (?:the )?[0-9]", "write `in last`"),
    # words that were meant to begin a clause
    (r"«(?:exit|leave|remove)» (?:when|if|after|while)", "who stays is said by `stay while`"),
    (r"«(?:sync|export|send|upload|publish)» to\b", "write `push to`"),
    (r"«min(?:imum)?» (?:size|[0-9])", "write `minimum size` and the number"),
    (
        r"«(?:description|name|title|label|note|tags?)» \"",
        "a title stands behind the segment's name, a note in a comment (`#`)",
    ),
    (r"^case «when»", "a value by cases is `points(30 if subscribed, 10 if opted_in)`"),
    # bounds
    (r"^\w+ «(?:more|older)» than [0-9]+ " + _LENGTH + r"|^\w+ «older» than", "write `before 30 days ago`"),
    (r"^\w+ «(?:less|newer|younger|fewer)» than [0-9]+ " + _LENGTH, "write `after 30 days ago`"),
    (r"^\w+ (?:is )?«(?:greater|more|bigger|larger|higher|above|over|exceeds)»", "write `>`, or `>=`"),
    (r"\bis (?:greater|more|bigger|larger|higher) «than»", "write `>`, or `>=`"),
    (r"^\w+ (?:is )?«(?:less|fewer|lower|smaller|below|under)»", "write `<`, or `<=`"),
    (r"\bis (?:less|fewer|lower|smaller) «than»", "write `<`, or `<=`"),
    (r"\bis (?:above|over) «|\bis (?:below|under) «", "write `>` or `<`"),
    (r"^\w+ is «at» least|\bis at «least»", "write `>=`"),
    (r"^\w+ is «at» most|\bis at «most»", "write `<=`"),
    (r"^\w+ «at» least [0-9.]+(?! times?)", "of a value write `>=`, of an event `did {before} at least 2 times`"),
    (r"^\w+ «at» most [0-9.]+(?! times?)", "of a value write `<=`, of an event `did {before} at most 2 times`"),
    (r"^\w+ «from» [^ ]+ to|\bbetween \( [^)]*«,»", _RANGE),
    (r"[<>]=? \w+ «[<>]=?»", "write `between 50 and 100`, or two comparisons joined with `and`"),
    # events
    (r"\bdid [^«]*«last» [0-9]", "write `in last`"),
    (r"\b(?:business|working|calendar) «days»", "every day counts: `in last 30 days`"),
    (
        r"\bdid [^«]*\bwhere [^«(]*«,»",
        "several comparisons stand in parentheses: `where (amount > 100 and items >= 2)`",
    ),
    (r"\bdid (?:not )?\w+ «,» (?!then\b)\w+", "write `did` before each, joined with `or` or `and`"),
    (r"\bdid (?:not )?\w+ «>=» [0-9]+", "write `at least {next} times`"),
    (r"\bdid (?:not )?\w+ «<=» [0-9]+", "write `at most {next} times`"),
    (r"\bdid (?:not )?\w+ «=» [0-9]+", "write `exactly {next} times`"),
    (r"\bdid (?:not )?\w+ «>» [0-9]+", "write `at least`, one more than that, and `times`"),
    (r"\bdid (?:not )?\w+ «<» [0-9]+", "write `at most`, one less than that, and `times`"),
    (
        r"\bdid (?!.*\bthen\b)[^«]*«(?:within|for|over|during|from)» (?:the )?(?:last |past |previous )?[0-9]+ "
        + _LENGTH,
        "write `in last 30 days`",
    ),
    (r"\bdid [^«]*«(?:after|on|before)» [0-9]+ [/.]", _DATE),
    (r"\bdid \w+ «before» [^\W\d]", "one event behind another is `did {before} then {next}`"),
    (r"\bdid \w+ «after» [^\W\d]", "one event behind another is `did {next} then {before}`"),
    (r"\bdid [^«]*«(?:after|before|since)» [^\W\d]", "one event behind another is `did page_view then form_submit`"),
    (r"\bdid [^«]*«without»", "write `then not form_submit within 2 days`"),
    (r"\bthen no «\w+»", "write `then not {found}`"),
    (r"\bdid no «\w+»", "write `did not {found}`"),
    (r"\bdid (?:not )?(?:a|an|the|some|event) «\w+»", "leave `{before}` out: `did {found}`"),
    (r"\bdid (?:not )?\w+ «(?:having|whose|if|when|and)»", "write `where`, and several comparisons in parentheses"),
    (r"\bdid (?:not )?\w+ «\.» \w+", "write `did {before} where {next} ...`"),
    (r"\bdid (?:not )?\w+ «-» \w+", "a name has no `-`: `{before}_{next}`"),
    (r"\bdid \w+ «not» (?:in|at|this|last|today|since)\b", "write `did not` and the event"),
    (r"^(?:performed|triggered|completed|made|fired|had) «\w+»", "write `did {found}`"),
    # values over events
    (r"\) (?:in last [0-9]+ \w+|today|yesterday) «[<>=]", _WINDOW_INSIDE),
    (r"^(?:sum|average|min|max|first|last|distinct) «of»", "write `{before}(purchase.amount)`"),
    (r"^most_frequent «", "write `most frequent(page_view.path)`"),
)
"""For a word behind which, or before which, a phrase should have ended."""

WRONG = (
    (
        r"\b(?:count|distinct|sum|average|min|max|first|last) \( \w+ (?:\. \w+ )?«,» (?:in )?last\b",
        "the window stands without a comma: `sum(purchase.amount in last 30 days)`",
    ),
    (r"^«segment» \w+$", "write the segment's name alone: `{next}`"),
    (r"^«[<>]=?»", "write the name again before `{found}`, or `between 1 and 3`"),
    (r"\bin \( [^)]*«,» [^\W\d]", 'texts stand in quotes: `in ("FR", "BE")`'),
    (r"^(?!was |in )\w+ (?:not )?in «[^\W\d]", _IN_LIST),
    (r"= «>»", "the sign is `>=`"),
    (r"= «<»", "the sign is `<=`"),
    (r"> «>»|< «<»", "one sign is enough: `>`, `<`"),
    (r"[<>=] «\.»", "a number has a digit before its point: 0.5"),
    (r"[<>=] «%»", "`%` stands behind the number: 50%"),
    (r"\bin «\"|\bin \( [^)]*«(?:,|or|and|\"[^»]*|[0-9][^»]*)»", _IN_LIST),
    (r"\bin \( [^)]*«[^\W\d]", 'texts stand in quotes: `in ("FR", "BE")`'),
    (r"\bin «[0-9.]+» (?:to|-)", _RANGE),
    (
        r"\bbetween [^ ]+ (?:\w+ )?«(?:,|to|-|or)»|\bbetween \( [^)]*«,»",
        "its two bounds are joined with `and`: `between 5 and 10`",
    ),
    (r"\bcontains \( [^)]*«,»", _LIST),
    (r"\bis \( [^)]*«,»|\bis «in» \(", _SEVERAL),
    (r"\" in «[^\W\d]", "write `{found} contains` and the text"),
    (r"^(?:max|min|sum|average) \( [^)]*«,»", "`max` and its like are over events: `max(purchase.amount)`"),
    (r"\bof «[0-9.]+» ,", "the place stands in parentheses: `(48.85, 2.35)`"),
    (r"\( (?:did )?«did»", "leave `did` out: `count(purchase in last 30 days)`"),
    (r"\bdid (?:not )?«did»", "leave the second `did` out"),
    (r"\( «\*»", "name the event: `count(purchase)`"),
    (r"\( \w+ «[^\W\d]\w*»", "a point stands between the event and its property: `{before}.{found}`"),
    (r"\bdid [^«]*\b(?:least|most|exactly) [0-9]+ «[^\W\d]", "write `times` behind the number"),
    (_NUMBER_WORD, _DIGITS),
    (r"\bsince «[0-9]+» " + _LENGTH, "write `in last` and how long"),
    (r"^«if»|= «if»", "a value by cases is `points(30 if subscribed, 10 if opted_in)`"),
    (r"^«(?:is|like|contains|matches|between)»", "write the name again before `{found}`"),
    (r"\bchanged [^«]*(?:from|to) «[^\W\d]", 'texts stand in quotes: "{found}"'),
    (r"^(?:a contact|account|created) .*\w «(?:=|is)»", 'the value stands right behind the name: `country "FR"`'),
    (r"^did .*«where»", "write `with`, and the values without a sign: `with amount 5`"),
    (r"^bucket [^«]*\bin [0-9]+ «-»", "write `in 0 to 4999`"),
)
"""For a word where another thing was expected."""

EXPECTED = {
    "a date such as": "a date is written year-month-day, without quotes: 2026-03-01",
    "`a contact`": "write `given a contact`",
    "`before`": "write `before`: it is counted from the test's `at`",
    "`not in` or `in`": "write `expect in vip` or `expect not in vip`",
    "`did` or `was in`": "write `who did purchase 2 days before` or `who was in vip since 2 days`",
    "`size changes": "for example `alert when size changes by more than 20%`",
    "`when size": "for example `block push when size changes by more than 60%`",
    "a kind of place": 'for example `push to hubspot list "Hot leads"`',
    "its name at": "a name at a destination stands in quotes",
    "the name of a CSV": "the name of a file stands in quotes",
    "a text such as": "a text stands in quotes",
    "how many": "for example `limit 5000 by score(buy_soon)`",
    "a number": "write a number in digits",
    "a length of time": "write a number in digits and its unit: `14 days`",
}
"""Cures by what was expected, where no word around tells more."""

LAST = (
    (r"^\w+ «\"", "write `is` before the text: `{before} is {found}`"),
    (r"^\w+ «[0-9]", "write a sign before the number: `{before} = {found}`, `{before} >= {found}`"),
    (
        r"^\w+ «[^\W\d]\w*» (?:\"|[0-9])",
        "a comparison is `is`, `is not`, `=`, `<`, `>=`, `in (...)`, `contains` or `like`",
    ),
    (
        r"\bdid (?:not )?\w+ «[^\W\d]\w*»(?: |$)",
        "a name has no space: `{before}_{found}`; behind an event stand `where`, how often and when",
    ),
    (r"\bis [^\W\d]\w* «[^\W\d]\w*»", 'a text stands in quotes: "{before} {found}"'),
    (r"^[^\W\d]\w* «\(»", "there is no function `{before}`; `segserver help language` lists the words there are"),
)
"""As `SURPLUS`, where nothing else tells more."""

CLAUSES = (
    (r"«between»", "times of day have hours and minutes: `between 09:00 and 17:00`"),
    (r"«,» \w+ \w+ \"|«and» \w+ \w+ \"", "each destination has a line of its own that begins with `push to`"),
    (r"^[0-9]+ (?:% )?«[^\W\d]", "write `by` before `{found}`: `limit 5000 by score(buy_soon)`"),
    (r"«:»", "leave `:` out"),
    (r"^[^\W\d]\w*(?: , \w+)* «and»", "write a comma"),
)
"""For a word that is too much in a clause without conditions."""
