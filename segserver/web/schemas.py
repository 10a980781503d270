"""What the JSON API takes, held at the edge by marshmallow."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

LARGEST_PAGE = 1000


class MembersQuery(Schema):
    """`GET /api/segments/<name>/members`: a page of members."""

    after = fields.String(load_default=None)
    limit = fields.Integer(load_default=100, validate=validate.Range(1, LARGEST_PAGE))


class CommandBody(Schema):
    """`POST /internal/command`: a command line, without the program's name."""

    arguments = fields.List(fields.String(), required=True, validate=validate.Length(min=1, max=100))
