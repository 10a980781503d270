from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segserver.errors import StoreError
from segserver.store.owner import acquire, living_owner

OWNER = """
import sys
from pathlib import Path
from segserver.store.owner import acquire
ownership = acquire(Path(sys.argv[1]), "127.0.0.1:1234")
print(ownership.owner.pid, flush=True)
sys.stdin.read()
"""


def test_the_owner_is_written_for_this_user_only(tmp_path: Path) -> None:
    with acquire(tmp_path / "new", "127.0.0.1:8710") as ownership:
        file = tmp_path / "new" / "owner.json"
        assert file.stat().st_mode & 0o777 == 0o600
        written = json.loads(file.read_text())
        assert written == {"pid": os.getpid(), "address": "127.0.0.1:8710", "token": ownership.owner.token}
        assert len(ownership.owner.token) >= 32
        assert living_owner(tmp_path / "new") == ownership.owner
    assert living_owner(tmp_path / "new") is None
    assert not file.exists()


def test_the_token_is_not_shown(tmp_path: Path) -> None:
    with acquire(tmp_path, "127.0.0.1:8710") as ownership:
        assert ownership.owner.token not in repr(ownership.owner)


def test_a_folder_without_owner_has_none(tmp_path: Path) -> None:
    assert living_owner(tmp_path) is None


def test_a_second_server_is_refused_by_process_and_address_and_a_dead_one_is_followed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        with pytest.raises(StoreError, match=f"process id {pid} at 127.0.0.1:1234"):
            acquire(tmp_path, "127.0.0.1:8710")
        found = living_owner(tmp_path)
        assert found is not None
        assert found.pid == pid
        other.kill()
        other.wait()
        assert (tmp_path / "owner.json").exists()
        assert living_owner(tmp_path) is None
        with acquire(tmp_path, "127.0.0.1:8710") as ownership:
            assert ownership.owner.pid == os.getpid()


def test_a_process_id_that_was_given_to_somebody_else_is_no_living_owner(tmp_path: Path) -> None:
    (tmp_path / "owner.lock").touch()
    (tmp_path / "owner.json").write_text(json.dumps({"pid": 1, "address": "127.0.0.1:1", "token": "t"}))
    assert living_owner(tmp_path) is None
    acquire(tmp_path, "127.0.0.1:8710").release()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_file_that_is_half_written_does_not_stop_the_next_owner(tmp_path: Path, content: str) -> None:
    (tmp_path / "owner.json").write_text(content)
    with acquire(tmp_path, "127.0.0.1:8710") as ownership:
        assert living_owner(tmp_path) == ownership.owner


def test_releasing_twice_does_not_take_it_from_the_next_owner(tmp_path: Path) -> None:
    first = acquire(tmp_path, "127.0.0.1:1")
    first.release()
    with acquire(tmp_path, "127.0.0.1:2") as second:
        first.release()
        assert living_owner(tmp_path) == second.owner
