"""The console in Chromium, over a socket: served by the function of `access`, beside an API of three calls."""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
import unittest

import test_access

BROWSER = pathlib.Path(__file__).parents[1] / "browser"
HERE = shutil.which("node") and (BROWSER / "node_modules/playwright-core").is_dir()


@unittest.skipUnless(HERE or os.environ.get("CI"), "Node or what `npm ci` installs in tests/browser is not here")
class Console(test_access.Function):
    def test_an_operator_uses_it(self):
        channels = [{"id": "first", "videoname": "<b>Front</b>"}]
        urls = {"push": {"server": "rtmp://host/stream", "streamKey": "first?sign=1"}, "play": {"hls": "https://host/first/live.m3u8"}}
        function = self.access

        class Gateway(http.server.BaseHTTPRequestHandler):
            def call(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                route = f"{self.command} {self.path.split('?')[0]}"
                if route in ("GET /console", "GET /console/", "POST /login"):
                    answer = function.handler({"routeKey": route, "body": body})
                    self.answer(answer["statusCode"], answer["body"], answer["headers"])
                elif not self.authorized():
                    self.answer(401, '{"message":"Unauthorized"}')
                elif route == "GET /videostream":
                    self.answer(200, json.dumps(channels))
                elif route == "GET /videostream/online":
                    self.answer(200, '[{"channel":"first"}]')
                elif route == "POST /videostream":
                    channels.insert(0, {"id": "new"} | json.loads(body))
                    self.answer(201, json.dumps(channels[0]))
                elif route == "GET /videostream/first/urls":
                    self.answer(200, json.dumps(urls))
                elif route == "DELETE /videostream/new":
                    del channels[0]
                    self.answer(204, "")
                else:
                    self.answer(404, "{}")

            def authorized(self):
                headers = {"authorization": self.headers.get("Authorization", "")}
                return function.handler({"type": "REQUEST", "headers": headers})["isAuthorized"]

            do_GET = do_POST = do_DELETE = call

            def answer(self, status, body, headers=()):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_all):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        command = ["node", "console.mjs", f"http://127.0.0.1:{server.server_port}/console"]
        done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        seen = json.loads(done.stdout)
        self.assertEqual(seen["errors"], [])
        self.assertEqual(seen["refused"], "name or password is wrong")
        # A name is text, whatever it is.
        self.assertEqual(seen["channels"].split("\t")[:2], ["<b>Front</b>", "live"])
        for address in ["rtmp://host/stream", "first?sign=1", "https://host/first/live.m3u8"]:
            self.assertIn(address, seen["addresses"])
        self.assertNotIn("Second", seen["left"])
        self.assertEqual(seen["kept"], ["", 0, 0])


if __name__ == "__main__":
    unittest.main()
