"""Migration from the older product: its items into the table of a stack as they are, or over the API of a node."""

import decimal
import http.server
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import boto3
from moto.server import ThreadedMotoServer

MIGRATE = pathlib.Path(__file__).parents[2] / "examples/deploy/migrate"
FIRST = {
    "id": "98724e64-bcd1-4887-af4a-60be440709aa",
    "key": "1670544000-d5a8b6a5c5e1a5e3b4b8ff0bd6d8a0a3",
    "videoname": "Front door",
    "description": "",
    "outdate": "2032-12-09",
    "isFlv": "true",
    "isHls": True,
    "hls_time": "2",
    "video_time": decimal.Decimal(60),
    "somethingElse": "kept",
}


class Migrated(unittest.TestCase):
    def setUp(self):
        settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        host, port = server.get_host_and_port()
        os.environ |= settings | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        self.addCleanup(os.environ.pop, "AWS_ENDPOINT_URL")
        dynamodb = boto3.resource("dynamodb")
        made = {
            "TableName": "video-metadata",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        self.old = dynamodb.create_table(**made)
        self.addCleanup(self.old.delete)
        self.old.put_item(Item=FIRST)
        self.made = made

    def migrate(self, *arguments):
        command = [sys.executable, str(MIGRATE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    def test_items_are_copied_as_they_are_and_none_twice(self):
        new = boto3.resource("dynamodb").create_table(**self.made | {"TableName": "stack"})
        self.addCleanup(new.delete)
        # More than a page of a scan, and one that the new table has already.
        for number in range(30):
            self.old.put_item(Item={"id": f"large-{number}", "description": "x" * 60_000})
        new.put_item(Item={"id": "large-7", "description": "changed since"})
        done = self.migrate("--to", "stack", "--dry-run")
        self.assertEqual((done.stdout, new.scan()["Count"]), ("31 copied, 0 there already, 0 refused\n", 1))
        done = self.migrate("--to", "stack")
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("30 copied, 1 there already, 0 refused\n", "", 0))
        self.assertEqual(new.get_item(Key={"id": FIRST["id"]})["Item"], FIRST)
        self.assertEqual(new.get_item(Key={"id": "large-7"})["Item"]["description"], "changed since")
        self.assertEqual(self.migrate("--to", "stack").stdout, "0 copied, 31 there already, 0 refused\n")

    def test_ids_that_no_channel_can_have_are_told(self):
        for channel in ["a/b", "events", "x" * 65]:
            self.old.put_item(Item={"id": channel})
        done = self.migrate("--to", "stack", "--dry-run")
        self.assertEqual((done.stdout, done.returncode), ("1 copied, 0 there already, 3 refused\n", 1))
        self.assertEqual(len(done.stderr.splitlines()), 3)

    def test_times_that_cannot_be_read_are_told(self):
        """Without a time that it was made at a channel is as good; when it ends has to be known."""
        times = ["2032-12-09", "2032/1/9", "2032-12-09T18:00:00Z", "2032-12-09T18:00:00.123+01:00", " 2032-12-09 ", ""]
        for number, outdate in enumerate(times):
            self.old.put_item(Item={"id": f"good-{number}", "outdate": outdate, "createdAt": "2022-01-01T00:00:00.000Z"})
        wrong = ["12/9/2032", "2032-13-01", "2032-12-09 18:00", "1/1/70", "soon", decimal.Decimal(1670544000), "1969-12-31"]
        for number, outdate in enumerate(wrong):
            self.old.put_item(Item={"id": f"bad-{number}", "outdate": outdate})
        self.old.put_item(Item={"id": "odd", "createdAt": "Fri Dec 09 2022", "updatedAt": "12/9/2022"})
        done = self.migrate("--to", "stack", "--dry-run")
        self.assertEqual((done.stdout, done.returncode), ("8 copied, 0 there already, 7 refused\n", 1))
        told = sorted(done.stderr.splitlines())
        self.assertEqual([line.split(" ")[:2] for line in told[:7]], [[f"'bad-{number}':", "outdate"] for number in range(7)])
        self.assertEqual(
            told[7:],
            ["'odd': createdAt is left out: 'Fri Dec 09 2022' is no time", "'odd': updatedAt is left out: '12/9/2022' is no time"],
        )

    def test_channels_are_made_over_the_api(self):
        asked = []

        class Api(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                record = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append((self.path, self.headers["Authorization"], record))
                status = {FIRST["id"]: 201, "there": 409}.get(record["id"], 422)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b'{"detail": "`codec` is libx264 or libx265"}')

            def log_message(self, *_all):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.old.put_item(Item={"id": "there"})
        self.old.put_item(Item={"id": "broken", "codec": "mpeg2"})
        with tempfile.NamedTemporaryFile("w") as token:
            token.write("t0ken\n")
            token.flush()
            done = self.migrate("--api", f"http://127.0.0.1:{server.server_port}/", "--token-file", token.name)
        self.assertEqual((done.stdout, done.returncode), ("1 copied, 1 there already, 1 refused\n", 1))
        self.assertIn("libx264", done.stderr)
        first = {
            "id": FIRST["id"],
            "videoname": "Front door",
            "outdate": "2032-12-09",
            "isFlv": "true",
            "isHls": True,
            "hls_time": "2",
            "video_time": "60",
        }
        self.assertIn(("/videostream", "Bearer t0ken", first), asked)


if __name__ == "__main__":
    unittest.main()
