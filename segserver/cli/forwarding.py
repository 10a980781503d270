"""Sending a command line to the server that owns the store, and printing what it answers.

A command and the server that owns the store are one program on one machine, so this is plain HTTP on the loopback
interface, and no proxy of the environment is asked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from segserver.errors import StoreError
from segserver.store.owner import Owner


def forward(owner: Owner, arguments: Sequence[str], write: Callable[[str], object]) -> int:
    """Let the owner of the store run a command line, and print its output as it comes.

    Args:
        owner: who has the store.
        arguments: the command line without the program's name.
        write: takes each piece of output.

    Returns:
        The command's exit code.

    Raises:
        StoreError: the owner does not answer, refuses, or ends before the command does.
    """
    body = {"arguments": list(arguments), "columns": shutil.get_terminal_size().columns}
    request = Request(
        f"http://{owner.address}/internal/command",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {owner.token}"},
    )
    try:
        with build_opener(ProxyHandler({})).open(request) as answer:
            code = _print(answer, write)
    except HTTPError as error:
        with error:
            raise StoreError(f"{_named(owner)} refused the command ({error.code}: {_reason(error.read())})") from None
    except (OSError, HTTPException) as error:
        raise StoreError(f"{_named(owner)} does not answer ({error}); {_CURE}") from error
    if code is None:
        raise StoreError(f"{_named(owner)} ended before the command did; {_CURE}")
    return code


_CURE = "what it committed is kept. Look at its log, start it again or run the command without it"


def _print(lines: Iterable[bytes], write: Callable[[str], object]) -> int | None:
    """Print the answer's lines; the exit code is in the last one, None if that never came."""
    for line in lines:
        if not line.endswith(b"\n"):
            return None
        told = json.loads(line)
        if "exit" in told:
            return int(told["exit"])
        write(told["text"])
    return None


def _named(owner: Owner) -> str:
    return f"the server with process id {owner.pid} at {owner.address}, which owns the store,"


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
