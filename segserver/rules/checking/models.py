"""Models: from the syntax tree to the checked program."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from segserver.rules.checking.clauses import Clauses
from segserver.rules.checking.conditions import condition
from segserver.rules.checking.events import did
from segserver.rules.checking.quantities import exact, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.segments import expression
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import Value
from segserver.rules.program import Feature, ModelBlock
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.rules.reading.unsupported import MODEL_KINDS, refuse
from segserver.rules.suggest import did_you_mean
from segserver.specs.models import Gate, Preparation, PromotionRule
from segserver.specs.types import Kind

CUTOFFS = 8
"""Cutoffs of a model that does not say how many."""

_LATER_ALGORITHMS = ("auto", "forest", "boosting", "xgboost", "lightgbm")
_FRAME_COLUMNS = frozenset({"contact_id", "cutoff", "label"})
"""Columns of a training frame that are not features."""

_FEATURE_KINDS = frozenset({Kind.NUMBER, Kind.BOOLEAN, Kind.DURATION})


def model(node: block_nodes.BlockNode, scope: Scope) -> ModelBlock | None:
    """A propensity model; None if its label, population or a feature is at fault."""
    findings = scope.findings
    clauses = Clauses(node, findings)
    if any(clauses.has(kind) for kind in MODEL_KINDS):
        return None
    clauses.require("predicts", "predicts did purchase in next 30 days")
    clauses.require("features", "features orders = count(purchase in last 90 days)")
    label = _label(clauses, scope)
    population = clauses.condition("for")
    checked = condition(population, scope) if population is not None else None
    features = _features(clauses, scope)
    every, cutoffs = _cutoffs(clauses, scope)
    lengths = {key: _length(clauses, key, scope, zero=key == "gap") for key in ("gap", "retrain", "expires")}
    algorithm, threshold, gates = _algorithm(clauses, scope), _threshold(clauses, scope), _gates(clauses, scope)
    calibrate, preparation = clauses.content("calibrate", nodes.Name), _preparation(clauses, scope)
    if label is None or features is None or (population is not None and checked is None):
        return None
    return ModelBlock(
        name=node.name.text,
        title=node.title,
        label=label[0],
        horizon=label[1],
        population=checked,
        features=features,
        gap=lengths["gap"],
        every=every,
        cutoffs=cutoffs,
        algorithm=algorithm,
        calibrate=calibrate.text if calibrate else "auto",
        threshold=threshold,
        gates=gates,
        retrain_every=lengths["retrain"],
        expires_after=lengths["expires"],
        preparation=preparation,
        promotion=_promotion(clauses, scope),
        selection=_selection(clauses, scope),
        span=node.name.span,
    )


def _label(clauses: Clauses, scope: Scope) -> tuple[Did, timedelta] | None:
    node = clauses.condition("predicts")
    while isinstance(node, condition_nodes.Group):
        node = node.item
    if node is None or isinstance(node, nodes.Broken):
        return None
    if not isinstance(node, condition_nodes.DidEvent):
        message = "`predicts` takes a single `did` or `did not`"
        scope.findings.error("type-mismatch", node.span, message, "for example `did purchase in next 30 days`")
        return None
    window = node.events.window
    if not isinstance(window, nodes.LastWindow) or not window.ahead:
        message = "`predicts` needs a window in the future"
        place = window.span if window else node.span
        scope.findings.error("future-window", place, message, "write `in next 30 days`")
        return None
    horizon = exact(window.quantity, scope.findings)
    label = did(node, scope, ahead=True)
    if label is not None and not isinstance(label, Did):
        message = "a model cannot predict `did not` with two bounds"
        scope.findings.error("type-mismatch", node.span, message, "predict `did ...` instead")
        return None
    return None if horizon is None or label is None else (label, horizon)


# ---- features ------------------------------------------------------------------------------------------------------


def _features(clauses: Clauses, scope: Scope) -> tuple[Feature, ...] | None:
    written = clauses.content("features", tuple)
    if written is None:
        return None
    first: dict[str, block_nodes.FeatureNode] = {}
    features: list[Feature] = []
    for node in written:
        _check_name(node.name, first, scope)
        first.setdefault(node.name.text.casefold(), node)
        checked = _feature(node, scope)
        features += [Feature(node.name.text, checked, span=node.span)] if checked is not None else []
    return tuple(features) if features and len(features) == len(written) else None


def _check_name(name: nodes.Name, first: Mapping[str, block_nodes.FeatureNode], scope: Scope) -> None:
    """A feature becomes a column of the training frame, beside others, in an engine that ignores case."""
    if name.text.casefold() in _FRAME_COLUMNS:
        scope.findings.error("reserved-name", name.span, f"a feature cannot be called `{name.text}`", "rename it")
    other = first.get(name.text.casefold())
    if other is None:
        return
    same = other.name.text == name.text
    message = f"two features are called `{name.text}`" if same else f"`{name.text}` differs in letter case only"
    code = "duplicate-name" if same else "name-case"
    scope.findings.error(code, name.span, message, "rename one of them", ((other.name.span, "the first one"),))


def _feature(node: block_nodes.FeatureNode, scope: Scope) -> Value | Condition | None:
    bare = condition_nodes.Bare(nodes.Reference(node.name, span=node.name.span), span=node.name.span)
    checked = expression(node.expression or bare, scope)
    if checked is None:
        return None
    kind = checked[1]
    if kind.kind in _FEATURE_KINDS:
        return checked[0]
    message = f"the feature `{node.name.text}` is {kind}, and a model takes numbers and conditions"
    hint = f'for example `{node.name.text} = ... is "..."`' if kind.kind is Kind.TEXT else None
    place = node.span if node.expression is None else node.expression.span
    scope.findings.error("type-mismatch", place, message, hint)
    return None


# ---- the other clauses ---------------------------------------------------------------------------------------------


def _length(clauses: Clauses, key: str, scope: Scope, *, zero: bool) -> timedelta | None:
    written = clauses.content(key, nodes.Quantity)
    return exact(written, scope.findings, zero=zero) if written else None


def _cutoffs(clauses: Clauses, scope: Scope) -> tuple[timedelta | None, int]:
    written = clauses.content("cutoffs", tuple)
    if written is None:
        return None, CUTOFFS
    every, last = written
    number = whole(last, scope.findings, least=2) if last else None
    return exact(every, scope.findings), number or CUTOFFS


def _algorithm(clauses: Clauses, scope: Scope) -> str:
    written = clauses.content("algorithm", nodes.Name)
    if written is None or written.text == "logistic":
        return "logistic"
    if written.text in _LATER_ALGORITHMS:
        refuse(scope.findings, written.span, f"the algorithm `{written.text}`")
    else:
        hint = did_you_mean(written.text, ("logistic",), otherwise="write `algorithm logistic`")
        scope.findings.error("unknown-name", written.span, f"there is no algorithm `{written.text}`", hint)
    return "logistic"


def _preparation(clauses: Clauses, scope: Scope) -> Preparation:
    usual = Preparation()
    outliers, bounds = _outliers(clauses, scope) or (usual.outliers, usual.bounds)
    transform, scale = clauses.content("transform", nodes.Name), clauses.content("scale", nodes.Name)
    fill, indicator = clauses.content("impute", tuple) or (None, usual.indicator)
    return Preparation(
        outliers=outliers,
        bounds=bounds,
        transform=usual.transform if transform is None or transform.text == "auto" else transform.text,
        fill=None if fill is None else float(_amount(fill)),
        indicator=indicator,
        scale=scale.text if scale else usual.scale,
    )


def _outliers(clauses: Clauses, scope: Scope) -> tuple[str, tuple[float, ...]] | None:
    written = clauses.content("outliers", tuple)
    if written is None:
        return None
    way, numbers = written
    if way.text == "iqr" and numbers[0].number <= 0:
        scope.findings.error("bad-number", numbers[0].span, "so many interquartile ranges must be above 0", "`iqr 3`")
    if way.text == "winsor":
        low, high = numbers
        if not low.number < high.number <= Decimal(100):
            message = "the first percentage must be below the second, and that not above 100%"
            scope.findings.error("bad-number", low.span, message, "for example `winsor 0.5% to 99.5%`")
    return way.text, tuple(float(_amount(number)) for number in numbers)


def _amount(number: nodes.Quantity) -> Decimal:
    return number.number / 100 if number.percent else number.number


def _selection(clauses: Clauses, scope: Scope) -> tuple[tuple[str, float], ...]:
    ways = []
    for way, number in clauses.content("select", tuple) or ():
        if number is not None and way.text == "vif" and number.number <= 1:
            scope.findings.error("bad-number", number.span, "a variance inflation is above 1", "for example `vif 10`")
        elif number is not None and way.text != "vif":
            whole(number, scope.findings, least=1)
        ways.append((way.text, 0.0 if number is None else float(number.number)))
    return tuple(ways)


def _promotion(clauses: Clauses, scope: Scope) -> PromotionRule:
    written = clauses.content("promote", tuple)
    if written is None:
        return PromotionRule()
    way, number = written
    if way.text != "when auc":
        return PromotionRule(way.text)
    margin = Decimal(0) if number is None else _amount(number)
    if not 0 <= margin <= 1:
        scope.findings.error("bad-number", number.span, "this must lie between 0 and 1", "`champion - 0.01`")
    return PromotionRule(margin=float(margin))


def _threshold(clauses: Clauses, scope: Scope) -> tuple[str, tuple[float, ...]]:
    written = clauses.content("threshold", tuple)
    if written is None:
        return "youden", ()
    way, numbers = written
    most = None if way.text == "cost" else 1
    values = [_amount(number) for number in numbers]
    for number, amount in zip(numbers, values, strict=True):
        if amount <= 0 or (most is not None and amount > most):
            message = "a cost must be above 0" if most is None else "this must lie between 0 and 1"
            scope.findings.error("bad-number", number.span, message)
    return way.text, tuple(float(amount) for amount in values)


_GATES = {"positives": None, "auc": 1, "calibration error": 1}


def _gates(clauses: Clauses, scope: Scope) -> tuple[Gate, ...]:
    gates: list[Gate] = []
    for node in clauses.content("require", tuple) or ():
        if node.bound is None:
            gates.append(Gate(node.figure, ">=", 1.0))
            continue
        bound = _amount(node.bound)
        most = _GATES.get(node.figure)
        if bound < 0 or (most is not None and bound > most):
            scope.findings.error("bad-number", node.bound.span, f"`{node.figure}` lies between 0 and 1")
        if node.op not in (">=", "<="):
            message = f"`{node.figure}` needs a bound, `>=` or `<=`"
            scope.findings.error("syntax-error", node.span, message)
        gates.append(Gate(node.figure, node.op, float(bound)))
    return tuple(gates)
