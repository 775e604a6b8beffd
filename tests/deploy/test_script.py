"""`deploy`, run as an operator does: the AWS CLI against moto as a server, Docker replaced by a stand-in that takes notes."""

import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

import clouded  # noqa: F401 (for what it adds to moto)
import test_stack
import test_templates

ROOT = pathlib.Path(__file__).parents[2]
REGION = "us-east-1"
# With STATE, a stack in that state, which moto has not; what it would be changed to is noted.
AWS = """#!/bin/sh
case ${STATE:+$*} in
*StackStatus*) echo "$STATE"; exit ;;
*ParameterValue*) echo "$ARCHITECTURE"; exit ;;
"cloudformation deploy "*) echo "$*" >> "$NOTES.deployed"; exit ;;
"cloudformation "*) exit ;;
esac
"""
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
        # All servers of a process have one memory: the image of another test is in ECR already.
        urllib.request.urlopen(urllib.request.Request(f"http://localhost:{port}/moto-api/reset", method="POST")).close()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # The one that .ci/run installs, or else the machine's.
        pinned = ROOT / "target/awscli"
        path = f"PYTHONPATH={pinned} " if pinned.is_dir() else ""
        self.program("aws", AWS + f'{path}exec {sys.executable} -m awscli "$@"\n')
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

    def test_an_image_is_for_the_architecture_of_the_stack(self):
        """And its tag says so: a tag of ECR stays with what it was first given to."""
        notes, deployed = self.folder / "notes", self.folder / "notes.deployed"
        images = set()
        for has, given, platform in [
            ("X86_64", [], "amd64"),
            ("X86_64", ["Architecture=ARM64"], "arm64"),
            ("ARM64", ["GatewaySize=small"], "arm64"),
            ("", [], "amd64"),
        ]:
            done = self.deploy("live", *given, STATE="UPDATE_COMPLETE", ARCHITECTURE=has)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            image = re.search(r"\bImage=(\S+)", deployed.read_text(encoding="utf-8").splitlines()[-1])[1]
            self.assertRegex(image, rf"-{platform}(-\d{{14}})?$")
            made = [note for note in notes.read_text(encoding="utf-8").splitlines() if f"--tag {image} " in note]
            self.assertEqual(len(made), 1)
            self.assertIn(f"docker build --platform linux/{platform} ", made[0])
            images.add(re.sub(r"-\d{14}$", "", image))
        self.assertEqual(len(images), 2)
        done = self.deploy("live", "Architecture=arm64", STATE="UPDATE_COMPLETE", ARCHITECTURE="")
        self.assertEqual((done.returncode, done.stderr), (1, "deploy: Architecture is X86_64 or ARM64\n"))

    def test_a_push_secret_starts_anew_what_reads_it(self):
        image = test_templates.image(REGION)
        for given, revision in [("PushSecret=another", r"\d{14}"), ("PushSecret=another SecretsRevision=7", "7"), ("GatewaySize=small", None)]:
            done = self.deploy("live", f"Image={image}", *given.split(), STATE="UPDATE_COMPLETE")
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            asked = (self.folder / "notes.deployed").read_text(encoding="utf-8").splitlines()[-1].split()
            revisions = [word.partition("=")[2] for word in asked if word.startswith("SecretsRevision=")]
            self.assertEqual(len(revisions), 1 if revision else 0)
            for one in revisions:
                self.assertRegex(one, f"^{revision}$")

    def test_a_stack_that_failed_is_none(self):
        """CloudFormation changes it no more: what is to be done is said, before anything is built."""
        for state, advice in [
            ("ROLLBACK_COMPLETE", "delete-stack --stack-name live"),
            ("CREATE_FAILED", "delete-stack --stack-name live"),
            ("DELETE_FAILED", "delete-stack --stack-name live"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name live"),
            ("UPDATE_IN_PROGRESS", "wait"),
        ]:
            done = self.deploy("live", STATE=state)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"live is {state}: ", done.stderr)
            self.assertIn(advice, done.stderr)
        # Never begun: it is asked for what a new one needs.
        done = self.deploy("live", STATE="REVIEW_IN_PROGRESS")
        self.assertIn("give UserPassword=", done.stderr)
        self.assertFalse((self.folder / "notes").exists())

    def test_what_is_missing_is_said(self):
        self.assertIn("usage", self.deploy().stderr)
        self.assertIn("usage", self.deploy("1live").stderr)
        without = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
        done = self.deploy("live", **without)
        self.assertEqual((done.returncode, done.stderr), (1, "deploy: no region: set AWS_REGION\n"))


if __name__ == "__main__":
    unittest.main()
