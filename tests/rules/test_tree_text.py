"""Trees as text: nothing is lost, and text that is none is refused."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from segserver.rules.findings import Findings
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.rules.reading.parse import parse
from segserver.rules.reading.parsed import from_lines, read, to_lines
from segserver.rules.reading.tree_text import from_text, to_text
from segserver.rules.walk import walk

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tests/cases").rglob("*.seg"), *(ROOT / "rules").rglob("*.seg")])


def blocks(path: Path) -> tuple[block_nodes.Block, ...]:
    return parse(path.name, path.read_bytes().decode("utf-8", "replace"), Findings())


def test_a_tree_comes_back_whole_with_every_place() -> None:
    for path in FILES:
        for block in blocks(path):
            text = to_text(block)
            again = from_text(text, path.name)
            assert again == block
            assert to_text(again) == text
            assert again.span == block.span


def test_every_kind_of_node_is_among_them() -> None:
    seen = {type(node) for path in FILES for block in blocks(path) for node in walk(block)}
    homes = (nodes, condition_nodes, block_nodes)
    classes = {kind for home in homes for kind in vars(home).values() if isinstance(kind, type)}
    every = {kind for kind in classes if issubclass(kind, nodes.Node)}
    assert every - seen == {nodes.Node}


def test_a_tree_takes_the_name_of_the_file_it_is_read_for() -> None:
    (block,) = parse("old.seg", "trait t = household_size > 5", Findings())
    again = from_text(to_text(block), "new.seg")
    assert again == block
    spans = {node.span.file for node in walk(again) if isinstance(node, nodes.Node)}
    assert spans == {"new.seg"}


@pytest.mark.parametrize(
    "text",
    ["", "{", '["Nothing"]', '["Name"]', '["Name",["@",1,1,1,2],"a","b"]', '["Name",["@",1],"a"]',
     '["=","Unit","eons"]', '["!","yesterday"]', '["#","many"]', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, "x.seg")


def test_what_is_no_part_of_a_tree_is_not_written() -> None:
    with pytest.raises(TypeError, match="set is no part of a syntax tree"):
        to_text(nodes.Name({"a"}, span=blocks(FILES[0])[0].span))


# ---- whole files ---------------------------------------------------------------------------------------------------


def test_a_file_that_was_read_comes_back_with_findings_and_blocks() -> None:
    for path in FILES:
        parsed = read(path.name, path.read_bytes())
        again = from_lines(to_lines(parsed), path.name)
        assert again.findings == parsed.findings
        assert len(again.blocks) == len(parsed.blocks)
        for block, other in zip(parsed.blocks, again.blocks, strict=True):
            assert (block.kind, block.name, block.name.span) == (other.kind, other.name, other.name.span)
            assert [list(map(list, read)) for read in block.reads] == [list(map(list, read)) for read in other.reads]
            assert all(block.places(clause) == other.places(clause) for clause, _ in block.clauses)
            assert list(block.names) == list(other.names)
            assert block.digest == other.digest
            assert block.node == other.node


def test_the_names_of_a_block_are_all_that_is_written_in_it() -> None:
    (block,) = read("x.seg", "segment s where entered segment other and did buy where price > limit").blocks
    assert list(block.names) == ["buy", "limit", "other", "price", "s"]
    assert [name for name, _ in block.clauses] == ["where"]


@pytest.mark.parametrize("text", ["", "[]", "[[],[[]]]", '[[["a"]],[]]', "[[],[]]\n[]", "null"])
def test_what_is_no_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_lines(text, "x.seg")


def test_every_field_of_a_node_is_kept() -> None:
    (block,) = parse("x.seg", "segment s where did purchase where amount > 5 in last 3 days", Findings())
    kept = json.loads(to_text(block))
    assert kept[0] == "BlockNode"
    assert len(kept) - 1 == len(fields(block_nodes.BlockNode))
