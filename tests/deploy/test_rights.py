"""What roles may do, held against what the programs ask of AWS: the calls of the SDKs in the sources of lsv-aws."""

import pathlib
import re
import unittest

import botocore
import botocore.session

import rules
import test_templates as given

SOURCES = pathlib.Path(__file__).parents[2] / "lsv-aws/src"
# Folders or files of lsv-aws, and the service that they speak to.
SERVICES = {"dynamodb": "dynamodb", "s3": "s3", "ecs": "ecs", "eventbridge": "events", "secrets": "secretsmanager"}
# Calls that go by the name of other rights.
RIGHTS = {
    "s3:HeadObject": {"s3:GetObject"},
    "s3:CreateMultipartUpload": {"s3:PutObject"},
    "s3:UploadPart": {"s3:PutObject"},
    "s3:UploadPartCopy": {"s3:GetObject", "s3:PutObject"},
    "s3:CompleteMultipartUpload": {"s3:PutObject"},
    "s3:ListParts": {"s3:ListMultipartUploadParts"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListMultipartUploads": {"s3:ListBucketMultipartUploads"},
    # With the role of the task.
    "ecs:RunTask": {"ecs:RunTask", "iam:PassRole"},
}
# What no call of these folders names: the agent of ECS protects a task with its role's rights, S3 uses the key of KMS for who writes.
BESIDE = {
    "ecs:UpdateTaskProtection",
    "kms:Decrypt",
    "kms:GenerateDataKey",
}


def calls(service, text):
    """The operations of a service that a source calls, as its SDK names them."""
    operations = botocore.session.get_session().get_service_model(service).operation_names
    by_name = {botocore.xform_name(operation): operation for operation in operations}
    return {by_name[name] for name in re.findall(r"\.\s*([a-z0-9_]+)\(\)", text) if name in by_name}


def needed():
    rights = set()
    for folder, service in SERVICES.items():
        for path in [*SOURCES.glob(f"{folder}/**/*.rs"), *SOURCES.glob(f"{folder}.rs")]:
            if path.stem != "tests":
                for operation in calls(service, path.read_text(encoding="utf-8")):
                    rights |= RIGHTS.get(f"{service}:{operation}", {f"{service}:{operation}"})
    return rights


def granted(*roles):
    """The actions of roles, with those of the policies that they refer to."""
    made = given.resources("eu-central-1", given.everything("eu-central-1"))
    actions = set()
    for role in roles:
        properties = made[f"lsv-Access/{role}"]["Properties"]
        parts = [properties["Policies"] if "Policies" in properties else []]
        parts += [made[name.strip("<>")] for name in properties.get("ManagedPolicyArns", []) if name.startswith("<")]
        for statement in rules.statements(parts):
            actions.update(rules.many(statement["Action"]))
    return actions


class Rights(unittest.TestCase):
    def test_calls_are_found(self):
        self.assertEqual(calls("s3", "client\n    .get_object()\n    .bucket(b); x.len(); y.head_object ()"), {"GetObject"})
        self.assertLessEqual({"dynamodb:PutItem", "s3:PutObject", "ecs:RunTask", "iam:PassRole"}, needed())

    def test_all_that_is_asked_is_allowed_and_nothing_else(self):
        self.assertEqual(granted("ProxyRole", "GatewayRole", "ProcessorRole", "OriginRole", "ApiRole") - BESIDE, needed())

    def test_who_serves_viewers_changes_nothing(self):
        changing = re.compile(r":(Put|Update|Delete|Create|Run|Stop|Pass|Abort)")
        for role in ["OriginRole", "ProxyRole"]:
            self.assertEqual({action for action in granted(role) if changing.search(action)}, set())

    def test_proxies_look_where_gateways_are(self):
        self.assertEqual(granted("ProxyRole"), {"ecs:ListTasks", "ecs:DescribeTasks"})

    def test_gateways_alone_start_tasks(self):
        for role in ["ProxyRole", "ProcessorRole", "OriginRole", "ApiRole"]:
            self.assertEqual({"ecs:RunTask", "iam:PassRole"} & granted(role), set())

    def test_gateways_protect_themselves_as_long_as_their_service_can_do_without(self):
        """Tasks of RunTask, as processors are, cannot be protected."""
        made = given.resources("eu-central-1", given.everything("eu-central-1"))
        self.assertEqual({"ecs:UpdateTaskProtection", "ecs:DescribeServices"} - granted("GatewayRole"), set())
        self.assertEqual({action for action in granted("ProcessorRole") if action.startswith("ecs:")}, set())
        service = made["lsv-Gateway/GatewayService"]["Properties"]["ServiceName"]
        self.assertEqual(given.environment(made["lsv-Gateway/GatewayTask"])["LSV_AWS_SERVICE"], service)
        looked_at = [it["Resource"] for it in rules.statements(made["lsv-Access/GatewayRole"]["Properties"]) if it["Action"] == "ecs:DescribeServices"]
        self.assertEqual([resource.rsplit("/", 1)[1] for resource in looked_at], [service])

    def test_the_api_removes_recordings_and_writes_none(self):
        of_objects = {action for action in granted("ApiRole") if action.startswith("s3:")}
        self.assertEqual(of_objects, {"s3:GetObject", "s3:ListBucket", "s3:DeleteObject"})

    def test_the_api_alone_changes_channels(self):
        made = given.resources("eu-central-1", given.parameters("eu-central-1"))
        writers = set()
        for name, resource in made.items():
            for statement in rules.statements(resource["Properties"]):
                if "lsv-Storage/Channels" in str(statement.get("Resource")) and "dynamodb:PutItem" in statement["Action"]:
                    writers.add(name)
        self.assertEqual(writers, {"lsv-Access/ApiRole"})


if __name__ == "__main__":
    unittest.main()
