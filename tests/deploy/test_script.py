"""`deploy`, run as an operator does: the AWS CLI against moto as a server, Docker replaced by a stand-in that takes notes."""

import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import boto3
from moto.server import ThreadedMotoServer

import clouded  # noqa: F401 (for what it adds to moto)
import test_stack

ROOT = pathlib.Path(__file__).parents[2]
REGION = "us-east-1"
DOCKER = """#!/bin/sh
echo "docker $*" >> "$NOTES"
case $1 in
login) cat > "$NOTES.login" ;;
push) aws ecr put-image --repository-name lsv --image-tag "${2##*:}" --image-manifest "$MANIFEST" > /dev/null ;;
esac
"""


class Deployed(unittest.TestCase):
    def setUp(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        _, port = server.get_host_and_port()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # The one that .ci/run installs, or else the machine's.
        pinned = ROOT / "target/awscli"
        path = f"PYTHONPATH={pinned} " if pinned.is_dir() else ""
        self.program("aws", f'#!/bin/sh\n{path}exec {sys.executable} -m awscli "$@"\n')
        self.program("docker", DOCKER)
        self.environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "NOTES": str(self.folder / "notes"),
            "MANIFEST": json.dumps(test_stack.MANIFEST),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # moto looks for the name: addresses of templates are then paths.
            "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        }

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def deploy(self, *arguments, **variables):
        command = [str(ROOT / "examples/deploy/deploy"), *arguments]
        environment = self.environment | variables
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.environment["AWS_ENDPOINT_URL"], **keys)

    def test_an_image_is_built_and_a_stack_created(self):
        done = self.deploy("live", "UserPassword=correct-horse-battery", "InstallDemoConsole=true")
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        outputs = dict(line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
        self.assertRegex(outputs["LiveVideoPushStreamURL"], "^rtmp://.+/stream$")
        self.assertIn(outputs["ChannelsTable"], self.client("dynamodb").list_tables()["TableNames"])
        notes = (self.folder / "notes").read_text(encoding="utf-8").splitlines()
        self.assertEqual([note.split()[1] for note in notes], ["login", "build", "push"])
        tag = notes[-1].rsplit(":", 1)[1]
        definition = self.client("ecs").list_task_definitions()["taskDefinitionArns"][0]
        containers = self.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
        self.assertTrue(containers["containerDefinitions"][0]["image"].endswith(f"/lsv:{tag}"))
        self.assertNotIn("correct-horse-battery", done.stdout + done.stderr + "".join(notes))

    def test_what_is_missing_is_said(self):
        self.assertIn("usage", self.deploy().stderr)
        self.assertIn("usage", self.deploy("1live").stderr)
        without = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
        done = self.deploy("live", **without)
        self.assertEqual((done.returncode, done.stderr), (1, "deploy: no region: set AWS_REGION\n"))


if __name__ == "__main__":
    unittest.main()
