"""Apps at HubSpot's stand-in: logins, codes, tokens, permissions; and an account that is locked or being moved."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

BACK = "http://localhost:8701/oauth-callback"
CONTACTS = "/hubspot/crm/objects/2026-03/contacts"


@pytest.fixture
def call(sandbox):
    """Calls HubSpot with whatever token is given."""
    client = sandbox.app.test_client()

    def called(method, path, token="", **more):
        return client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **more)

    return called


@pytest.fixture
def log_in(sandbox, call):
    """A login; returns the reply with the first tokens."""

    def logged_in(scope="crm.objects.contacts.read", **form):
        query = {"client_id": sandbox.hubspot.client_id, "redirect_uri": BACK, "scope": scope, "state": "s"}
        back = call("GET", "/hubspot/oauth/authorize", query_string=query).headers["Location"]
        code = dict(parse_qsl(urlsplit(back).query))["code"]
        return buy(sandbox, call, grant_type="authorization_code", code=code, **{"redirect_uri": BACK, **form})

    return logged_in


def buy(sandbox, call, path="", **form):
    app = {"client_id": sandbox.hubspot.client_id, "client_secret": sandbox.hubspot.client_secret}
    return call("POST", f"/hubspot/oauth/2026-03/token{path}", data={**app, **form})


def test_a_login_gives_a_code_that_buys_tokens_once(sandbox, call, log_in):
    told = log_in().json
    assert (told["expires_in"], told["hub_id"], told["scopes"]) == (1800, 62515, ["crm.objects.contacts.read"])
    assert call("GET", CONTACTS, told["access_token"]).status_code == 200
    code = next(one for one in sandbox.hubspot.installs.secrets() if "-code-" in one)
    again = buy(sandbox, call, grant_type="authorization_code", code=code, redirect_uri=BACK)
    assert (again.status_code, again.json["category"]) == (400, "BAD_AUTH_CODE")


@pytest.mark.parametrize(
    ("form", "category"),
    [
        ({"redirect_uri": "http://localhost:1/other"}, "MISMATCH_REDIRECT_URI_AUTH_CODE"),
        ({"client_secret": "wrong"}, "BAD_CLIENT_SECRET"),
    ],
)
def test_a_code_is_bound_to_its_login_and_app(log_in, form, category):
    assert log_in(**form).json["category"] == category


def test_an_access_token_ends_after_half_an_hour_and_is_renewed(sandbox, call, log_in, clock):
    told = log_in().json
    clock.advance(timedelta(seconds=1800))
    assert call("GET", CONTACTS, told["access_token"]).status_code == 401
    renewed = buy(sandbox, call, grant_type="refresh_token", refresh_token=told["refresh_token"]).json
    assert renewed["refresh_token"] == told["refresh_token"]
    assert call("GET", CONTACTS, renewed["access_token"]).status_code == 200


def test_a_rotated_refresh_token_ends_the_one_before(sandbox, call, log_in):
    sandbox.hubspot.installs.rotates = True
    told = log_in().json
    form = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    assert buy(sandbox, call, **form).status_code == 200
    assert buy(sandbox, call, **form).json["status"] == "BAD_REFRESH_TOKEN"


def test_a_call_without_its_permission_names_it(call, log_in):
    token = log_in().json["access_token"]
    answer = call("POST", f"{CONTACTS}/batch/update", token, json={"inputs": []})
    assert (answer.status_code, answer.json["category"]) == (403, "MISSING_SCOPES")
    assert answer.json["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.contacts.write"]
    assert call("POST", f"{CONTACTS}/batch/read", token, json={"inputs": [], "properties": []}).status_code != 403


def test_a_key_lacks_only_what_the_account_says(sandbox, call):
    sandbox.hubspot.lacking = {"crm.lists.write"}
    token = sandbox.hubspot.token
    assert call("POST", "/hubspot/crm/lists/2026-03/search", token, json={}).status_code == 200
    new = {"name": "a", "objectTypeId": "0-1", "processingType": "MANUAL"}
    assert call("POST", "/hubspot/crm/lists/2026-03", token, json=new).status_code == 403


def test_tokens_tell_of_themselves_and_can_be_given_back(sandbox, call, log_in):
    told = log_in().json
    for name in ("access_token", "refresh_token"):
        answer = buy(sandbox, call, "/introspect", token=told[name]).json
        assert (answer["token_use"], answer["hub_id"], answer["active"]) == (name, 62515, True)
    assert buy(sandbox, call, "/revoke", token=told["refresh_token"]).status_code == 204
    assert call("GET", CONTACTS, told["access_token"]).status_code == 401


def test_no_code_or_token_is_kept_with_the_requests(sandbox, call, log_in):
    told = log_in().json
    buy(sandbox, call, "/introspect", token=told["refresh_token"])
    buy(sandbox, call, grant_type="refresh_token", refresh_token=told["refresh_token"])
    kept = repr([one.to_dict() for one in sandbox.requests])
    assert not [secret for secret in sandbox.hubspot.installs.secrets() if secret in kept]


def test_an_app_s_calls_have_limits_of_their_own(call, log_in):
    headers = call("GET", CONTACTS, log_in().json["access_token"]).headers
    assert "X-HubSpot-RateLimit-Max" in headers
    assert "X-HubSpot-RateLimit-Daily" not in headers


def test_a_locked_contact_takes_no_writes(sandbox, hubspot):
    number = sandbox.hubspot.contacts.ids[0]
    sandbox.hubspot.locked = {str(number)}
    path = "/crm/objects/2026-03/contacts/batch/update"
    body = {"inputs": [{"id": str(number), "properties": {"country": "DE"}}]}
    assert hubspot("POST", path, json=body).status_code == 423
    body["inputs"][0]["id"] = str(sandbox.hubspot.contacts.ids[1])
    assert hubspot("POST", path, json=body).status_code == 200


def test_an_account_that_is_moved_says_for_how_long(sandbox, hubspot, clock):
    sandbox.hubspot.moving_until = clock.now() + timedelta(hours=2)
    answer = hubspot("GET", "/crm/objects/2026-03/contacts")
    assert (answer.status_code, answer.headers["Retry-After"]) == (477, "7200")
    clock.advance(timedelta(hours=2))
    assert hubspot("GET", "/crm/objects/2026-03/contacts").status_code == 200
