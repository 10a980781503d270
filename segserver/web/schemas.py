"""What the JSON API takes, held at the edge by marshmallow; an unknown parameter is a mistake, not ignored."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

LARGEST_PAGE = 1000
MOST_RUNS = 200


class MembersQuery(Schema):
    """`GET /api/segments/<name>/members`: a page of members."""

    after = fields.String(load_default=None)
    limit = fields.Integer(load_default=100, validate=validate.Range(1, LARGEST_PAGE))


class RunsQuery(Schema):
    """`GET /api/runs`: the latest runs."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, MOST_RUNS))


class PermissionQuery(Schema):
    """`GET /api/contacts/<key>/permission`: through what, and as which scenario's touch."""

    channel = fields.String(load_default=None)
    scenario = fields.String(load_default=None)


class CommandBody(Schema):
    """`POST /internal/command`: a command line, without the program's name, and the width of its terminal."""

    arguments = fields.List(fields.String(), required=True, validate=validate.Length(min=1, max=100))
    columns = fields.Integer(load_default=80, validate=validate.Range(20, 1000))
