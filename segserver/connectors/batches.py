"""Writes in batches of a platform's size: no record twice in a call, a refused batch in halves, an outcome for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.calls import ApiError
from segserver.errors import RetryLater

T = TypeVar("T")

Item = Write | Trigger

OPT_OUT = "an opt-out is the contact's own word and is never written"
"""Why a write to a field with consent is refused."""


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def rounds(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items in rounds without a repeated key; the n-th item of a key is in the n-th round, so their order holds.

    Platforms do not say what two entries for one record in one call mean.
    """
    seen: dict[Hashable, int] = {}
    result: list[list[T]] = []
    for item in items:
        turn = seen.get(key(item), 0)
        seen[key(item)] = turn + 1
        if turn == len(result):
            result.append([])
        result[turn].append(item)
    return result


@dataclass(frozen=True, slots=True)
class Edit:
    """What one record gets in one call: its writes, one for each property or field."""

    address: str
    writes: tuple[Write, ...]


def edit_batches(writes: Iterable[Write], size: int) -> list[Sequence[Edit]]:
    """Writes of properties joined by record, in batches of records; a second value for one property comes later."""
    edits: list[Edit] = []
    for one_each in rounds(writes, key=lambda write: (write.address, write.target.name)):
        by_address: dict[str, list[Write]] = {}
        for write in one_each:
            by_address.setdefault(write.address, []).append(write)
        edits += [Edit(address, tuple(found)) for address, found in by_address.items()]
    return [batch for one_each in rounds(edits, key=lambda edit: edit.address) for batch in batches(one_each, size)]


def ready(writes: Sequence[Write], make: Callable[[Sequence[str]], object]) -> tuple[list[Write], list[Outcome]]:
    """Make the targets of writes ready, so that a name which the platform refuses spoils no other.

    Args:
        writes: to any targets of one kind.
        make: finds or creates targets by name.

    Returns:
        The writes whose target is ready, and outcomes for the others.
    """
    names = list(dict.fromkeys(write.target.name for write in writes))
    refused = _refused(names, make)
    good = [write for write in writes if write.target.name not in refused]
    bad = [Outcome(write, *refused[write.target.name]) for write in writes if write.target.name in refused]
    return good, bad


def _refused(names: Sequence[str], make: Callable[[Sequence[str]], object]) -> dict[str, tuple[Status, str]]:
    try:
        if names:
            make(names)
    except ApiError as error:
        if len(names) == 1:
            return {names[0]: (Status.REJECTED, error.reason or str(error))}
        middle = len(names) // 2
        return _refused(names[:middle], make) | _refused(names[middle:], make)
    except RetryLater as error:
        return dict.fromkeys(names, (Status.FAILED, str(error)))
    return {}


def outcomes(items: Iterable[Item], status: Status, reason: str | None = None, *, gone: bool = False) -> list[Outcome]:
    """The same outcome for several writes."""
    return [Outcome(item, status, reason, gone) for item in items]


def deliver(
    work: Iterable[Sequence[T]],
    send: Callable[[Sequence[T]], Sequence[Outcome]],
    items_of: Callable[[T], Iterable[Item]],
    splits: Callable[[ApiError], bool],
) -> Iterator[Sequence[Outcome]]:
    """Send batches one after another; what cannot be sent now is FAILED, what is refused is REJECTED.

    After a batch that the platform does not take now, the rest is not tried: it would only wait in vain.

    Args:
        work: batches.
        send: makes one call and reads the outcomes.
        items_of: the writes in one entry of a batch.
        splits: whether a refusal of the whole batch may be the fault of single records.
    """
    todo = list(work)[::-1]
    while todo:
        batch = todo.pop()
        try:
            yield send(batch)
        except ApiError as error:
            if len(batch) > 1 and splits(error):
                middle = len(batch) // 2
                todo += [batch[middle:], batch[:middle]]
            else:
                yield outcomes(_flat(batch, items_of), Status.REJECTED, error.reason or str(error))
        except RetryLater as error:
            yield outcomes(_flat(batch, items_of), Status.FAILED, str(error))
            for rest in reversed(todo):
                yield outcomes(_flat(rest, items_of), Status.FAILED, f"not tried: {error}")
            return


def _flat(batch: Sequence[T], items_of: Callable[[T], Iterable[Item]]) -> list[Item]:
    return [item for entry in batch for item in items_of(entry)]


def is_id(address: str) -> bool:
    """Whether an address can be the id of a record: plain digits, not those of another script."""
    return address.isascii() and address.isdigit()


def itself(item: Item) -> tuple[Item, ...]:
    """For batches whose entries are the writes themselves."""
    return (item,)
