"""Which process owns a store: `owner.json` says who and where, a lock on `owner.lock` says whether it lives.

The lock is the operating system's and ends with the process, however it ends, so that a process id that was given to
somebody else never counts as a living owner.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from segserver.errors import StoreError


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has the store.

    Attributes:
        pid: its process id.
        address: where it listens, on the loopback interface: "127.0.0.1:8710".
        token: what a command must send to be believed; a secret.
    """

    pid: int
    address: str
    token: str = field(repr=False)


class Ownership:
    """The right to a store's folder, from `acquire` until `release` or the end of the process."""

    def __init__(self, folder: Path, owner: Owner, lock: IO[bytes]) -> None:
        self._folder = folder
        self._lock = lock
        self.owner = owner

    def release(self) -> None:
        """Give the folder up. Safe to call twice."""
        if self._lock.closed:
            return
        (self._folder / "owner.json").unlink(missing_ok=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(folder: Path, address: str) -> Ownership:
    """Become the owner of a store's folder; what a dead owner left behind is taken over.

    Args:
        folder: the folder of the database file, made where it does not exist.
        address: where this process listens, on the loopback interface.

    Raises:
        StoreError: another living process owns it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "owner.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreError(f"{folder} is owned by {_described(folder)}; stop it first, or use it") from error
    owner = Owner(os.getpid(), address, secrets.token_urlsafe(32))
    _write(folder / "owner.json", owner)
    return Ownership(folder, owner, lock)


def living_owner(folder: Path) -> Owner | None:
    """Who owns the folder now; None if nobody does, or its owner is dead."""
    try:
        lock = (folder / "owner.lock").open("rb")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(folder / "owner.json")
    return None


def _described(folder: Path) -> str:
    owner = _read(folder / "owner.json")
    return f"the server with process id {owner.pid} at {owner.address}" if owner else "another server that is starting"


def _read(path: Path) -> Owner | None:
    """The owner as written; None while it is not yet there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Owner(int(found["pid"]), str(found["address"]), str(found["token"]))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _write(path: Path, owner: Owner) -> None:
    """Write the file whole or not at all, readable by this user only."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"pid": owner.pid, "address": owner.address, "token": owner.token}, file)
    draft.replace(path)
