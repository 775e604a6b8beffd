"""Who may use the API: the authorizer of API Gateway, the login that answers the token, the console.

The API looks at the token itself, too. This keeps those without one from starting it, and lets people in by name and password.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import time

import boto3

# For how long secrets are remembered; so long does a changed one take.
SECRETS_LIVE_SECONDS = 60
# More than a name and a password need.
BODY_LIMIT_BYTES = 4096

_client = None
_secrets = {}


def handler(event, _context=None):
    if event.get("type") == "REQUEST":
        return {"isAuthorized": _authorized(event)}
    route = event.get("routeKey")
    if route == "POST /login":
        return _login(event)
    if route in ("GET /console", "GET /console/") and os.environ.get("CONSOLE") == "true":
        return _console()
    return _problem(404, "nothing is here")


def _authorized(event):
    scheme, _, token = event.get("headers", {}).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    return _same(token.strip(), _secret("SECRET")["api-token"])


def _login(event):
    given = _body(event)
    if given is None:
        return _problem(400, "the body is JSON with a name and a password")
    known = _secret("LOGIN")
    # Both are compared, so that the time it takes does not tell which is wrong.
    name, password = (_same(given[field], known[field]) for field in ("name", "password"))
    if not (name and password):
        return _problem(401, "name or password is wrong")
    return _answer(200, "application/json", json.dumps({"token": _secret("SECRET")["api-token"]}))


def _body(event):
    body = event.get("body") or ""
    if len(body) > BODY_LIMIT_BYTES:
        return None
    try:
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True).decode()
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    fields = ("name", "password")
    if not isinstance(given, dict) or not all(isinstance(given.get(field), str) for field in fields):
        return None
    return given


def _console():
    page = pathlib.Path(__file__).with_name("console.html").read_text(encoding="utf-8")
    script, style = (_hash(page, name) for name in ("script", "style"))
    allowed = f"script-src {script}; style-src {style}; connect-src 'self'"
    return _answer(200, "text/html; charset=utf-8", page, allowed)


def _hash(page, element):
    """The one script or style of the page, as a policy names it."""
    content = re.search(f"<{element}>(.*)</{element}>", page, re.DOTALL)[1]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _secret(variable):
    value, until = _secrets.get(variable, (None, 0))
    if time.monotonic() >= until:
        global _client
        _client = _client or boto3.client("secretsmanager")
        value = json.loads(_client.get_secret_value(SecretId=os.environ[variable])["SecretString"])
        _secrets[variable] = (value, time.monotonic() + SECRETS_LIVE_SECONDS)
    return value


def _same(given, known):
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _problem(status, detail):
    return _answer(status, "application/problem+json", json.dumps({"status": status, "detail": detail}))


def _answer(status, kind, body, allowed=""):
    policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; {allowed}"
    headers = {
        "content-type": kind,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=31536000",
    }
    return {"statusCode": status, "headers": headers, "body": body}
