"""The templates of CloudFormation, checked without AWS: lint, parameters, least privilege, what the world reaches, partitions."""

import copy
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import render
import rules
import settings

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-1", "cn-north-1", "cn-northwest-1"]
KEY = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


def image(region):
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"123456789012.dkr.ecr.{region}.{suffix}/team/lsv:1.0.0"


def parameters(region, **more):
    zones = f"{region}a,{region}b"
    return {"UserPassword": "correct-horse-battery", "AvailabilityZones": zones, "Image": image(region)} | more


def everything(region):
    """All that is on condition, switched on."""
    china = region.startswith("cn-")
    prefix = "arn:aws-cn" if china else "arn:aws"
    return parameters(
        region,
        InstallDemoConsole="true",
        CNAME="live.example.com",
        CertificateArn=f"{prefix}:acm:{region}:123456789012:certificate/1",
        CdnCertificate="ASCAEXAMPLE123456789" if china else "arn:aws:acm:us-east-1:123456789012:certificate/2",
        AlarmEmail="ops@example.com",
        PushSecret="nodemedia2017privatekey",
        PlaybackPublicKey=KEY,
        RecordingExpireDays="365",
        KmsKeyArn=f"{prefix}:kms:{region}:123456789012:key/1",
    )


def variants():
    for region in REGIONS:
        yield region, parameters(region)
        yield region, everything(region)


def resources(region, given, name="lsv", stacks=None):
    return render.render(render.MAIN, given, region, name, stacks)[0]


class Templates(unittest.TestCase):
    def test_lint_finds_nothing_in_any_region(self):
        self.assertEqual(lint(sorted(render.FOLDER.glob("*.yaml"))), "")

    def test_lint_finds_what_china_lacks(self):
        template = {"Resources": {"Pool": {"Type": "AWS::Cognito::UserPool"}}}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "pool.yaml")
            path.write_text(json.dumps(template), encoding="utf-8")
            self.assertIn("cn-north-1", lint([path]))

    def test_parameters_and_outputs_have_the_names_of_the_older_product(self):
        main = render.load(render.MAIN)
        older = "UserName UserPassword InstallDemoConsole CNAME AvailabilityZones VpcCIDR PublicSubnet1CIDR PublicSubnet2CIDR "
        older += "PrivateSubnet1CIDR PrivateSubnet2CIDR CertificateArn Image LogRetentionDays"
        self.assertLessEqual(set(older.split()), set(main["Parameters"]))
        outputs = "LiveVideoPushStreamURL LiveVideoPullStreamURL LiveVideoPullStreamAlias LiveVideoConsoleURL MetadataApiURL"
        self.assertLessEqual(set(outputs.split()), set(main["Outputs"]))
        listed = [name for group in main["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"] for name in group["Parameters"]]
        self.assertEqual(sorted(listed), sorted(main["Parameters"]))

    def test_values_fit_what_parameters_take(self):
        main = render.load(render.MAIN)["Parameters"]
        defaults = {name: str(about["Default"]) for name, about in main.items() if "Default" in about}
        for region, given in variants():
            for name, value in (defaults | given).items():
                self.assertTrue(fits(main[name], value), f"{name} in {region}: {value}")
        for name, wrong in [
            ("UserPassword", "short"),
            ("UserPassword", 'with-a-"quotation"-mark'),
            ("UserPassword", "with-a-\\-backslash"),
            ("PushSecret", '","api-token":"mine'),
            ("UserName", 'admin"'),
            ("CNAME", "https://live.example.com"),
            ("CNAME", "live.example.com/"),
            ("Image", "lsv:latest"),
            ("Image", "docker.io/team/lsv:1"),
            ("Image", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/lsv"),
            ("PlaybackPublicKey", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"),
            ("CdnCertificate", "arn:aws:acm:eu-central-1:123456789012:certificate/1"),
            ("LogRetentionDays", "31"),
            ("GatewayMinimum", "0"),
            ("KmsKeyArn", "alias/mine"),
        ]:
            self.assertFalse(fits(main[name], wrong), f"{name}: {wrong}")

    def test_a_name_needs_a_certificate(self):
        rule = render.load(render.MAIN)["Rules"]["NameNeedsCertificate"]

        def holds(**given):
            stack = render.Stack(render.load(render.MAIN), parameters("eu-central-1", **given), "eu-central-1", "lsv", None, {})
            return not stack.holds(rule["RuleCondition"]) or stack.holds(rule["Assertions"][0]["Assert"])

        certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
        self.assertTrue(holds())
        self.assertFalse(holds(CNAME="live.example.com"))
        self.assertTrue(holds(CNAME="live.example.com", CdnCertificate=certificate))
        self.assertTrue(holds(CNAME="live.example.com", CertificateArn=certificate))

    def test_cloudfront_shows_the_certificate_of_its_region(self):
        """Outside us-east-1 the stack's own certificate is none for CloudFront."""
        for region, alias in [("eu-central-1", None), ("us-east-1", ["live.example.com"])]:
            certificate = f"arn:aws:acm:{region}:123456789012:certificate/1"
            made = resources(region, parameters(region, CNAME="live.example.com", CertificateArn=certificate))
            shown = made["lsv-Cdn/Distribution"]["Properties"]["DistributionConfig"]
            self.assertEqual(shown.get("Aliases"), alias)
            self.assertEqual(shown["ViewerCertificate"].get("AcmCertificateArn"), certificate if alias else None)

    def test_secrets_are_json_whatever_is_typed(self):
        typed = "".join(map(chr, range(0x21, 0x7F))).replace('"', "").replace("\\", "")
        self.assertTrue(fits(render.load(render.MAIN)["Parameters"]["UserPassword"], typed))
        made = resources("eu-central-1", parameters("eu-central-1", UserPassword=typed, PushSecret=typed))
        secrets = {name: resource["Properties"].get("SecretString") for name, resource in made.items() if "SecretString" in str(resource)}
        self.assertEqual(json.loads(secrets["lsv-Storage/Login"]), {"name": "admin", "password": typed})
        platform = json.loads(secrets["lsv-Storage/Platform"])
        self.assertEqual(platform["secret"], typed)
        self.assertEqual(set(platform), {"secret", "playback-secret", "api-token", "node-token"})

    def test_the_image_may_be_pulled_and_no_other(self):
        repository = "arn:aws:ecr:eu-central-1:123456789012:repository/team/lsv"
        name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/lsv"
        for tag in [":1.0.0", "@sha256:" + "0" * 64, ":1.0.0@sha256:" + "0" * 64]:
            made = resources("eu-central-1", parameters("eu-central-1", Image=name + tag))
            self.assertIn(repository, [one.get("Resource") for one in rules.statements(made["lsv-Cluster/ExecutionRole"])])
        made = resources("cn-north-1", parameters("cn-north-1"))
        china = "arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/lsv"
        self.assertIn(china, [one.get("Resource") for one in rules.statements(made["lsv-Cluster/ExecutionRole"])])

    def test_every_parameter_is_used(self):
        for path in render.FOLDER.glob("*.yaml"):
            self.assertEqual(unused(render.load(path)), set(), path.name)
        self.assertEqual(unused({"Parameters": {"Idle": {}, "Busy": {}}, "Resources": {"A": {"Ref": "Busy"}}}), {"Idle"})

    def test_every_parameter_changes_something(self):
        """The value of each of the main template, changed alone, gets as far as a resource."""
        other = {
            "UserName": "operator",
            "UserPassword": "another-horse-battery",
            "InstallDemoConsole": "false",
            "CNAME": "other.example.com",
            "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/9",
            "CdnCertificate": "arn:aws:acm:us-east-1:123456789012:certificate/9",
            "AvailabilityZones": "eu-central-1b,eu-central-1c",
            "VpcCIDR": "10.0.0.0/16",
            "PublicSubnet1CIDR": "10.0.1.0/24",
            "PublicSubnet2CIDR": "10.0.2.0/24",
            "PrivateSubnet1CIDR": "10.0.3.0/24",
            "PrivateSubnet2CIDR": "10.0.4.0/24",
            "NatGateways": "1",
            "Image": image("eu-central-1").replace("1.0.0", "1.0.1"),
            "Architecture": "ARM64",
            "LogRetentionDays": "7",
            "AlarmEmail": "",
            "PushSign": "md5",
            "PushSecret": "",
            "PlaybackPublicKey": "",
            "SecretsRevision": "2",
            "ColdStorageClass": "STANDARD_IA",
            "KmsKeyArn": "",
            "GatewaySize": "small",
            "OriginSize": "small",
        }
        region = "eu-central-1"
        before = resources(region, everything(region))
        for name, about in render.load(render.MAIN)["Parameters"].items():
            value = other.get(name)
            if value is None:
                self.assertEqual(about["Type"], "Number", f"{name} has no other value here")
                value = str(int(everything(region).get(name, about["Default"])) - 1)
                value = value if fits(about, value) else str(int(value) + 4)
            with self.subTest(name):
                self.assertNotEqual(resources(region, everything(region) | {name: value}), before)

    def test_nobody_may_more_than_is_needed(self):
        for region, given in variants():
            self.assertEqual(list(rules.policies(resources(region, given))), [])

    def test_the_world_reaches_rtmp_and_http_alone(self):
        for region, given in variants():
            self.assertEqual(list(rules.world(resources(region, given))), [])

    def test_two_stacks_fit_in_one_region(self):
        for region in ["eu-central-1", "cn-north-1"]:
            first, second = (
                {key.split("/")[-1]: value for key, value in resources(region, everything(region), name).items()}
                for name in ("live", "staging")
            )
            self.assertEqual(list(rules.fixed_names(first, second)), [])

    def test_partitions_are_kept_apart(self):
        for region, given in variants():
            self.assertEqual(list(rules.foreign(resources(region, given), render.partition(region))), [])
        hosts = [text for path in render.FOLDER.glob("*.yaml") for text in render.texts(render.load(path)["Resources"])]
        for text in hosts:
            self.assertFalse(text.startswith("arn:aws"), text)

    def test_china_has_cloudfront_with_a_name_of_its_own_alone(self):
        def kinds(given):
            return {resource["Type"] for resource in resources("cn-north-1", given).values()}

        self.assertNotIn("AWS::CloudFront::Distribution", kinds(parameters("cn-north-1")))
        self.assertIn("AWS::CloudFront::Distribution", kinds(everything("cn-north-1")))
        shown = distribution("cn-north-1")["ViewerCertificate"]
        self.assertEqual(shown["IamCertificateId"], "ASCAEXAMPLE123456789")
        self.assertNotIn("AcmCertificateArn", shown)
        self.assertNotIn("IamCertificateId", distribution("eu-central-1")["ViewerCertificate"])

    def test_cloudfront_keeps_what_can_be_kept(self):
        made = resources("eu-central-1", everything("eu-central-1"))
        behaviours = {behaviour["PathPattern"]: behaviour for behaviour in distribution("eu-central-1")["CacheBehaviors"]}

        def policy(pattern):
            name = behaviours[pattern]["CachePolicyId"].strip("<>")
            return made[name]["Properties"]["CachePolicyConfig"]

        key = policy("*.m3u8")["ParametersInCacheKeyAndForwardedToOrigin"]["QueryStringsConfig"]["QueryStrings"]
        self.assertLessEqual({"_HLS_msn", "_HLS_part", "_HLS_skip", "exp", "token"}, set(key))
        self.assertEqual(policy("*.flv")["MaxTTL"], 0)
        for segments in ("*.ts", "*.m4s", "*.mp4"):
            self.assertGreaterEqual(policy(segments)["DefaultTTL"], 86400)

    def test_a_key_protects_every_path(self):
        shown = distribution("eu-central-1")
        for behaviour in [shown["DefaultCacheBehavior"], *shown["CacheBehaviors"]]:
            self.assertEqual(len(behaviour["TrustedKeyGroups"]), 1)
        open_to_all = distribution("eu-central-1", PlaybackPublicKey="")
        self.assertNotIn("TrustedKeyGroups", open_to_all["DefaultCacheBehavior"])
        # Without CloudFront origins look at signatures themselves; gateways always do, for RTMP.
        for region, given, tasks in [
            ("eu-central-1", {}, {"GatewayTask"}),
            ("cn-north-1", {"CNAME": ""}, {"GatewayTask", "OriginTask"}),
        ]:
            looking = {
                name.rsplit("/", 1)[1]
                for name, resource in resources(region, everything(region) | given).items()
                if resource["Type"] == "AWS::ECS::TaskDefinition" and environment(resource).get("LSV_PLAY_CLOUDFRONT") == "on"
            }
            self.assertEqual(looking, tasks)

    def test_nobody_passes_by_cloudfront(self):
        made = resources("eu-central-1", everything("eu-central-1"))
        listeners = [
            resource["Properties"]
            for name, resource in made.items()
            if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener" and name.startswith("lsv-Origin/")
        ]
        self.assertEqual(len(listeners), 2)
        for listener in listeners:
            self.assertEqual(listener["DefaultActions"][0]["Type"], "fixed-response")

    def test_sessions_expire(self):
        table = resources("eu-central-1", parameters("eu-central-1"))["lsv-Storage/Sessions"]["Properties"]
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "expires", "Enabled": True})

    def test_recordings_go_cold_and_expire_where_asked(self):
        always = {"tails", "windows", "unfinished", "cold"}
        for given, kept in [(parameters, always), (everything, always | {"expire"})]:
            bucket = resources("eu-central-1", given("eu-central-1"))["lsv-Storage/Recordings"]["Properties"]
            self.assertEqual({rule["Id"] for rule in bucket["LifecycleConfiguration"]["Rules"]}, kept)
        for rule in bucket["LifecycleConfiguration"]["Rules"]:
            self.assertEqual(rule.get("Prefix"), {"unfinished": None, "tails": ".tail/", "windows": "dvr/"}.get(rule["Id"], "record/"))

    def test_what_is_read_only_has_a_data_folder(self):
        """Temporary files lie there too: lsv-role. A proxy writes none."""
        for name, resource in resources("eu-central-1", everything("eu-central-1")).items():
            for container in resource["Properties"].get("ContainerDefinitions", []):
                self.assertTrue(container["ReadonlyRootFilesystem"], name)
                mounted = [mount["ContainerPath"] for mount in container.get("MountPoints", [])]
                self.assertEqual(mounted, [] if container["Command"][0] == "proxy" else ["/data"], name)
                self.assertFalse({"LSV_DATA", "TMPDIR"} & set(environment(resource)), name)

    def test_a_revision_starts_all_that_read_secrets_anew(self):
        region = "eu-central-1"
        first, second = (resources(region, parameters(region, SecretsRevision=revision)) for revision in "12")
        changed = {name for name in first if first[name] != second[name]}
        reading = {name for name, resource in first.items() if "LSV_AWS_SECRET" in environment(resource)}
        self.assertEqual(changed, reading)
        self.assertEqual({name.rsplit("/", 1)[1] for name in reading}, {"GatewayTask", "ProcessorTask", "OriginTask", "Function"})

    def test_whatever_fails_viewers_is_counted(self):
        """An origin that hangs says nothing: the load balancer answers for it."""
        alarm = resources("eu-central-1", parameters("eu-central-1"))["lsv-Alarms/OriginErrors"]["Properties"]
        metrics = {one["Id"]: one["MetricStat"]["Metric"]["MetricName"] for one in alarm["Metrics"] if "MetricStat" in one}
        self.assertEqual({metrics["errors"], metrics["unanswered"]}, {"HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"})
        (share,) = (one["Expression"] for one in alarm["Metrics"] if "Expression" in one)
        for name in metrics:
            self.assertIn(name, share)

    def test_secrets_are_in_no_plain_place(self):
        """What is NoEcho goes into a secret; environments of tasks and functions name secrets."""
        given = everything("eu-central-1")
        for name, resource in resources("eu-central-1", given).items():
            if resource["Type"] != "AWS::SecretsManager::Secret":
                text = json.dumps(resource)
                self.assertNotIn(given["UserPassword"], text, name)
                self.assertNotIn(given["PushSecret"], text, name)

    def test_play_addresses_are_signed_with_the_key_that_is_asked_for(self):
        for region in ["eu-central-1", "cn-northwest-1"]:
            made = resources(region, everything(region))
            function = environment(made["lsv-Api/Function"])
            keys = environment(made["lsv-Gateway/GatewayTask"])["LSV_CLOUDFRONT_KEYS"]
            self.assertEqual(f'{function["LSV_CLOUDFRONT_KEY_ID"]}=/data/playback.pem', keys)
            open_to_all = resources(region, parameters(region))["lsv-Api/Function"]
            self.assertNotIn("LSV_CLOUDFRONT_KEY_ID", environment(open_to_all))

    def test_names_of_settings_are_known(self):
        """Each variable is one that a program reads: those of `--help`, and those that the image's own script takes."""
        script = pathlib.Path(render.FOLDER, "../image/lsv-role").read_text(encoding="utf-8")
        of_access = {"SECRET", "LOGIN", "CONSOLE"}
        of_nobody = {"SECRETS_REVISION"}
        for resource in resources("eu-central-1", everything("eu-central-1")).values():
            unknown = set(environment(resource)) - settings.known() - of_access - of_nobody
            self.assertEqual({name for name in unknown if name not in script}, set())


class Rules(unittest.TestCase):
    """Each rule, on templates that break it."""

    def policies(self, **statement):
        document = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"} | statement}
        broken = {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}}}
        written = {"Policy": {"Type": "AWS::Logs::ResourcePolicy", "Properties": {"PolicyDocument": json.dumps(document)}}}
        found = list(rules.policies(broken))
        self.assertEqual(len(found), len(list(rules.policies(written))))
        return found

    def test_policies(self):
        self.assertEqual(self.policies(), [])
        for broken in [
            {"Action": "*", "Resource": "*"},
            {"Action": "s3:*"},
            {"Action": ["s3:GetObject", "s3:Put*"]},
            {"Action": "dynamodb:GetItem", "Resource": "*"},
            {"Action": "dynamodb:GetItem", "Resource": ["arn:aws:dynamodb:::table/a", "*"]},
            {"Action": "ecs:ListTasks", "Resource": "*"},
            {"NotAction": "iam:*", "Action": []},
            {"Principal": "*"},
            {"Principal": {"AWS": "*"}},
        ]:
            self.assertNotEqual(self.policies(**broken), [], broken)
        self.assertEqual(self.policies(Action="ecr:GetAuthorizationToken", Resource="*"), [])
        bound = {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:::cluster/a"}}
        self.assertEqual(self.policies(Action="ecs:ListTasks", Resource="*", Condition=bound), [])
        self.assertEqual(self.policies(Effect="Deny", Action="s3:*", Resource="*", Principal="*"), [])
        administrator = {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}
        self.assertNotEqual(list(rules.policies({"Role": {"Type": "AWS::IAM::Role", "Properties": administrator}})), [])

    def ingress(self, **rule):
        rule = {"IpProtocol": "tcp", "FromPort": 1935, "ToPort": 1935, "CidrIp": "0.0.0.0/0"} | rule
        alone = {"Rule": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": rule}}
        inside = {"Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": [rule]}}}
        found = list(rules.world(alone))
        self.assertEqual(len(found), len(list(rules.world(inside))))
        return found

    def test_world(self):
        self.assertEqual(self.ingress(), [])
        self.assertEqual(self.ingress(CidrIp="10.0.0.0/8", FromPort=22, ToPort=22), [])
        for broken in [
            {"FromPort": 8080, "ToPort": 8080},
            {"FromPort": 80, "ToPort": 443},
            {"IpProtocol": "-1", "FromPort": None, "ToPort": None},
            {"IpProtocol": "udp", "FromPort": 443, "ToPort": 443},
            {"CidrIp": None, "CidrIpv6": "::/0", "FromPort": 22, "ToPort": 22},
            {"CidrIp": "203.0.113.0/1", "FromPort": 22, "ToPort": 22},
            {"CidrIp": "<Parameter>", "FromPort": 22, "ToPort": 22},
            {"CidrIp": None},
        ]:
            self.assertNotEqual(self.ingress(**broken), [], broken)
        for broken in [
            {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": {"Port": 8080}},
            {"Type": "AWS::Lambda::Url", "Properties": {}},
            {"Type": "AWS::S3::Bucket", "Properties": {}},
            {"Type": "AWS::ECS::Service", "Properties": {"NetworkConfiguration": {"AwsvpcConfiguration": {}}}},
        ]:
            self.assertNotEqual(list(rules.world({"It": broken})), [], broken)

    def test_the_templates_are_what_is_looked_at(self):
        """The same rules find what is put into the real templates."""
        cluster = render.load(render.FOLDER / "cluster.yaml")
        broken = copy.deepcopy(cluster)
        broken["Resources"]["GatewaysAskProcessors"]["Properties"] |= {"CidrIp": "0.0.0.0/0"}
        made = resources("eu-central-1", parameters("eu-central-1"), stacks={"cluster.yaml": broken})
        self.assertEqual(len(list(rules.world(made))), 1)
        broken = copy.deepcopy(cluster)
        role = broken["Resources"]["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        role["Statement"][1]["Action"] = ["ecr:*"]
        made = resources("eu-central-1", parameters("eu-central-1"), stacks={"cluster.yaml": broken})
        self.assertEqual(len(list(rules.policies(made))), 1)

    def test_names_and_partitions(self):
        table = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "video-metadata"}}}
        self.assertEqual(len(list(rules.fixed_names(table, table))), 1)
        role = {"Role": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/A"]}}}
        self.assertEqual(len(list(rules.foreign(role, "aws-cn"))), 1)


def lint(paths):
    # W3002: folders and files that `aws cloudformation package` uploads.
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--format", "parseable", "-i", "W3002", "-r", *REGIONS, "-t", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    return done.stdout + done.stderr


def fits(about, value):
    if "AllowedValues" in about and value not in map(str, about["AllowedValues"]):
        return False
    if about["Type"] == "Number" and not about.get("MinValue", -math.inf) <= int(value) <= about.get("MaxValue", math.inf):
        return False
    if not about.get("MinLength", 0) <= len(value) <= about.get("MaxLength", math.inf):
        return False
    return re.fullmatch(about.get("AllowedPattern", "(?s:.*)"), value) is not None


def unused(template):
    used = [part for name, part in template.items() if name not in ("Parameters", "Metadata", "Rules")]
    return set(template.get("Parameters", {})) - set(render.names(used))


def distribution(region, **more):
    made = resources(region, everything(region) | more)
    return made["lsv-Cdn/Distribution"]["Properties"]["DistributionConfig"]


def environment(resource):
    properties = resource["Properties"]
    if resource["Type"] == "AWS::Lambda::Function":
        return properties.get("Environment", {}).get("Variables", {})
    containers = properties.get("ContainerDefinitions", []) if resource["Type"] == "AWS::ECS::TaskDefinition" else []
    return {pair["Name"]: pair["Value"] for container in containers for pair in container.get("Environment", [])}


if __name__ == "__main__":
    unittest.main()
