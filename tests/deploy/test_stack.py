"""The stack, created in moto as CloudFormation would: nested templates from S3, in both partitions, twice in one region.

moto makes some of the kinds of resources and takes note of the others; what it makes is looked at as a client of AWS.
"""

import io
import json
import os
import unittest
import warnings
import zipfile

import boto3
import moto
import yaml

import clouded  # noqa: F401 (for what it adds to moto)
import render
import test_templates as given


def packaged(s3, bucket):
    """Does what `aws cloudformation package` does: uploads what templates name by path, and names it by address."""
    for path in render.FOLDER.glob("*.yaml"):
        template = render.load(path)
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::CloudFormation::Stack":
                properties["TemplateURL"] = f"https://{bucket}.s3.amazonaws.com/{properties['TemplateURL']}"
            if isinstance(properties.get("Code"), str):
                properties["Code"] = {"S3Bucket": bucket, "S3Key": "access.zip"}
        s3.put_object(Bucket=bucket, Key=path.name, Body=yaml.safe_dump(template, sort_keys=False).encode())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in (render.FOLDER.parent / "access").iterdir():
            if path.is_file():
                zipped.write(path, path.name)
    s3.put_object(Bucket=bucket, Key="access.zip", Body=archive.getvalue())


class Created(unittest.TestCase):
    def setUp(self):
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        # It says of each kind that it cannot make.
        warnings.filterwarnings("ignore", module="moto")
        self.mock = moto.mock_aws()
        self.mock.start()
        self.addCleanup(self.mock.stop)

    def create(self, region, name, parameters):
        self.region = region
        s3 = self.client("s3")
        bucket = f"templates-{region}"
        if bucket not in [made["Name"] for made in s3.list_buckets()["Buckets"]]:
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=bucket, **where)
        packaged(s3, bucket)
        ecr = self.client("ecr")
        if not ecr.describe_repositories()["repositories"]:
            ecr.create_repository(repositoryName="team/lsv")
            ecr.put_image(repositoryName="team/lsv", imageManifest=json.dumps(MANIFEST), imageTag="1.0.0")
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"https://{bucket}.s3.amazonaws.com/{render.MAIN.name}",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def client(self, service):
        return boto3.client(service, region_name=self.region)

    def test_in_both_partitions(self):
        for region, suffix in [("eu-central-1", "amazonaws.com"), ("cn-northwest-1", "amazonaws.com.cn")]:
            with self.subTest(region):
                outputs = self.create(region, "live", given.everything(region))
                self.assertRegex(outputs["LiveVideoPushStreamURL"], r"^rtmp://.+/stream$")
                self.assertEqual(outputs["LiveVideoPullStreamURL"], "https://live.example.com")
                self.assertTrue(outputs["LiveVideoConsoleURL"].endswith("/console"))
                self.assertTrue(outputs["MetadataApiURL"].endswith("/videostream"))
                self.tables(outputs)
                self.bucket(outputs)
                self.tasks()

    def tables(self, outputs):
        dynamodb = self.client("dynamodb")
        keys = {}
        for name in dynamodb.list_tables()["TableNames"]:
            table = dynamodb.describe_table(TableName=name)["Table"]
            self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
            keys[table["KeySchema"][0]["AttributeName"]] = name
        self.assertEqual(set(keys), {"id", "UUID"})
        self.assertEqual(keys["id"], outputs["ChannelsTable"])

    def bucket(self, outputs):
        s3, bucket = self.client("s3"), outputs["RecordingsBucket"]
        encrypted = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        self.assertEqual(encrypted["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms")

    def tasks(self):
        ecs = self.client("ecs")
        (cluster,) = ecs.list_clusters()["clusterArns"]
        self.assertEqual(len(ecs.list_services(cluster=cluster)["serviceArns"]), 3)
        families = ecs.list_task_definition_families()["families"]
        self.assertEqual(sorted(family.rsplit("-", 1)[1] for family in families), ["gateway", "origin", "processor", "proxy"])
        (family,) = (family for family in families if family.endswith("-processor"))
        # What the gateway does for a channel: the sizes of tasks are those of the contract.
        for cpu, memory in [(256, 512), (512, 1024), (1024, 2048), (2048, 4096), (4096, 8192)]:
            started = ecs.run_task(
                cluster=cluster,
                taskDefinition=family,
                launchType="FARGATE",
                networkConfiguration={"awsvpcConfiguration": {"subnets": self.subnets()[:1]}},
                overrides={
                    "cpu": str(cpu),
                    "memory": str(memory),
                    "containerOverrides": [{"name": "processor", "environment": [{"name": "LSV_TASK", "value": "{}"}]}],
                },
            )
            self.assertEqual((len(started["tasks"]), started["failures"]), (1, []))

    def subnets(self):
        found = self.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["false"]}])
        return [subnet["SubnetId"] for subnet in found["Subnets"]]

    def test_two_stacks_in_one_region(self):
        region = "eu-central-1"
        first = self.create(region, "live", given.parameters(region))
        second = self.create(region, "staging", given.everything(region))
        for name in ["ChannelsTable", "RecordingsBucket"]:
            self.assertNotEqual(first[name], second[name])
        self.assertEqual(len(self.client("dynamodb").list_tables()["TableNames"]), 4)
        self.assertEqual(len(self.client("ecs").list_clusters()["clusterArns"]), 2)

    def test_in_china_without_a_name(self):
        outputs = self.create("cn-north-1", "live", given.parameters("cn-north-1"))
        self.assertTrue(outputs["LiveVideoPullStreamURL"].startswith("http://"))

    def test_templates_are_not_read_from_elsewhere(self):
        """What is created is what was uploaded: without a nested template nothing is."""
        self.region = "eu-central-1"
        self.create(self.region, "live", given.parameters(self.region))
        bucket = f"templates-{self.region}"
        self.client("s3").delete_object(Bucket=bucket, Key="storage.yaml")
        with self.assertRaises(Exception):
            self.client("cloudformation").create_stack(
                StackName="staging",
                TemplateURL=f"https://{bucket}.s3.amazonaws.com/{render.MAIN.name}",
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value} for key, value in given.parameters(self.region).items()
                ],
            )


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1, "digest": "sha256:" + "0" * 64},
    "layers": [],
}

if __name__ == "__main__":
    unittest.main()
