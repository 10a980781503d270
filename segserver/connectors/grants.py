"""Grants that a person gave by logging in at a platform, kept in files that only this user may read.

A grant outlives the process, and all processes share it: whoever renews its token holds the file's lock meanwhile, so
that two never renew at once and the later one finds what the earlier one got. A platform may hand out another refresh
token at each renewal, after which the one before is worth nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from segserver.errors import SettingsError

FOLDER = "grants"


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """What a platform gave an app for one account.

    Attributes:
        client_id: of the app it was given to.
        refresh_token: buys new access tokens.
        access_token: the present one.
        renew_at: when to buy the next, naive UTC.
        account: the platform's number of the account; "" where it did not say.
        scopes: permissions that were given.
    """

    client_id: str
    refresh_token: str
    access_token: str
    renew_at: datetime
    account: str = ""
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"StoredGrant(account={self.account!r}, renew_at={self.renew_at.isoformat()})"


class GrantFile:
    """The grant of one connection.

    Args:
        directory: where the store is.
        connection: its name.
    """

    def __init__(self, directory: Path, connection: str) -> None:
        self.connection = connection
        self._path = directory / FOLDER / f"{connection}.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process or thread changes the grant, and keep them from it inside the block."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def load(self) -> StoredGrant | None:
        """The grant; None if there is none.

        Raises:
            SettingsError: the file holds something else.
        """
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return StoredGrant(
                client_id=str(found["client_id"]),
                refresh_token=str(found["refresh_token"]),
                access_token=str(found["access_token"]),
                renew_at=datetime.fromisoformat(found["renew_at"]),
                account=str(found["account"]),
                scopes=tuple(str(scope) for scope in found["scopes"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # The file's text may hold half a token, and these errors quote it.
            raise SettingsError(f"{self._path} is damaged; delete it and connect {self.connection} again") from None

    def save(self, grant: StoredGrant) -> None:
        """Replace the grant as a whole, so that it survives a crash at any moment; hold `alone` meanwhile."""
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(grant), file, default=_text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def remove(self) -> None:
        """Forget the grant; hold `alone` meanwhile."""
        self._path.unlink(missing_ok=True)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in the file")
