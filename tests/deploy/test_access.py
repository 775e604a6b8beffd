"""Who may use the API: the function behind the authorizer, the login and the console, called as API Gateway does."""

import base64
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import unittest

import boto3
import moto

SOURCE = pathlib.Path(__file__).parents[2] / "examples/deploy/access/access.py"
TOKEN = "t0ken" * 9


class Function(unittest.TestCase):
    """A function that has just been started, with its secrets."""

    def setUp(self):
        settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
        os.environ |= settings | {"CONSOLE": "true"}
        mock = moto.mock_aws()
        mock.start()
        self.addCleanup(mock.stop)
        self.secrets = boto3.client("secretsmanager")
        platform = self.secrets.create_secret(Name="platform", SecretString=json.dumps({"api-token": TOKEN}))
        login = self.secrets.create_secret(Name="login", SecretString='{"name":"admin","password":"correct-horse"}')
        os.environ |= {"SECRET": platform["ARN"], "LOGIN": login["ARN"]}
        spec = importlib.util.spec_from_file_location("access", SOURCE)
        self.access = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.access)


class Access(Function):
    def authorized(self, **headers):
        return self.access.handler({"type": "REQUEST", "version": "2.0", "headers": headers})["isAuthorized"]

    def login(self, body, encoded=False):
        return self.access.handler({"routeKey": "POST /login", "body": body, "isBase64Encoded": encoded})

    def test_the_token_lets_in_and_nothing_else(self):
        self.assertTrue(self.authorized(authorization=f"Bearer {TOKEN}"))
        self.assertTrue(self.authorized(authorization=f"bearer {TOKEN}"))
        for wrong in ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é\ud800"]:
            self.assertFalse(self.authorized(authorization=wrong), wrong)
        self.assertFalse(self.authorized())

    def test_name_and_password_are_answered_with_the_token(self):
        right = json.dumps({"name": "admin", "password": "correct-horse"})
        for answer in [self.login(right), self.login(base64.b64encode(right.encode()).decode(), encoded=True)]:
            self.assertEqual((answer["statusCode"], json.loads(answer["body"])), (200, {"token": TOKEN}))
            self.assertEqual(answer["headers"]["cache-control"], "no-store")

    def test_what_is_wrong_is_refused_without_saying_which(self):
        answers = [
            self.login(json.dumps({"name": name, "password": password}))
            for name, password in [("admin", "wrong"), ("nobody", "correct-horse"), ("", ""), ("admin", "correct-horse\0")]
        ]
        for answer in answers:
            self.assertEqual(answer["statusCode"], 401)
            self.assertEqual(answer["body"], answers[0]["body"])
            self.assertNotIn(TOKEN, json.dumps(answer))

    def test_a_body_that_is_none_is_refused(self):
        for body in [None, "", "{", "[]", "null", '"admin"', '{"name":"admin"}', '{"name":1,"password":2}', "[" * 4000, "x" * 5000]:
            self.assertEqual(self.login(body)["statusCode"], 400, body)
        self.assertEqual(self.login("not base64!", encoded=True)["statusCode"], 400)
        self.assertEqual(self.login(base64.b64encode(b"\xff").decode(), encoded=True)["statusCode"], 400)

    def test_a_changed_token_counts_after_a_minute(self):
        now = [0.0]
        self.access.time = type("Clock", (), {"monotonic": staticmethod(lambda: now[0])})
        now[0] = 1.0
        self.assertTrue(self.authorized(authorization=f"Bearer {TOKEN}"))
        self.secrets.put_secret_value(SecretId="platform", SecretString='{"api-token":"new"}')
        now[0] = 60.0
        self.assertTrue(self.authorized(authorization=f"Bearer {TOKEN}"))
        now[0] = 61.0
        self.assertFalse(self.authorized(authorization=f"Bearer {TOKEN}"))
        self.assertTrue(self.authorized(authorization="Bearer new"))

    def test_without_its_secret_nobody_gets_in(self):
        self.secrets.delete_secret(SecretId="platform", ForceDeleteWithoutRecovery=True)
        with self.assertRaises(Exception):
            self.authorized(authorization=f"Bearer {TOKEN}")

    def test_the_console_brings_all_that_it_needs(self):
        answer = self.access.handler({"routeKey": "GET /console"})
        self.assertEqual(answer["statusCode"], 200)
        self.assertEqual(self.access.handler({"routeKey": "GET /console/"}), answer)
        page, policy = answer["body"], answer["headers"]["content-security-policy"]
        for element in ("script", "style"):
            (content,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            self.assertIn(f"{element}-src 'sha256-{digest}'", policy)
        self.assertNotRegex(page, r"src=|https?:|innerHTML|\son[a-z]+=|\sstyle=")
        os.environ["CONSOLE"] = "false"
        self.assertEqual(self.access.handler({"routeKey": "GET /console"})["statusCode"], 404)


if __name__ == "__main__":
    unittest.main()
