"""Pieces of files as the grammar reads them."""

from __future__ import annotations

import pytest

from segserver.rules.reading.terminals import NAME


def test_the_grammar_reads_no_text_whose_place_nobody_knows() -> None:
    with pytest.raises(TypeError, match="the grammar reads pieces of files, not str"):
        NAME.parse_string("country")
