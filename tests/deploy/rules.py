"""What must hold of every resource that the templates ask for. Each rule yields what breaks it."""

import ipaddress
import json

# The only ports that may be open to the world.
OPEN_PORTS = {80, 443, 1935, 1938}
# Actions that know no resource: IAM takes them with `*` alone. ListTasks is bound to its cluster by a condition.
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken": None, "ecs:ListTasks": "ecs:cluster"}
MANAGED = {"AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"}
# Where a name is given, it has to be made from the stack's, so that two stacks fit in one region (or one account).
NAMES = {
    "AWS::ApiGatewayV2::Api": ["Name"],
    "AWS::CloudFront::CachePolicy": ["CachePolicyConfig.Name"],
    "AWS::CloudFront::KeyGroup": ["KeyGroupConfig.Name"],
    "AWS::CloudFront::OriginRequestPolicy": ["OriginRequestPolicyConfig.Name"],
    "AWS::CloudFront::PublicKey": ["PublicKeyConfig.Name", "PublicKeyConfig.CallerReference"],
    "AWS::CloudWatch::Alarm": ["AlarmName"],
    "AWS::DynamoDB::Table": ["TableName"],
    "AWS::EC2::SecurityGroup": ["GroupName"],
    "AWS::ECS::Cluster": ["ClusterName"],
    "AWS::ECS::Service": ["ServiceName"],
    "AWS::ECS::TaskDefinition": ["Family"],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ["Name"],
    "AWS::ElasticLoadBalancingV2::TargetGroup": ["Name"],
    "AWS::Events::EventBus": ["Name"],
    "AWS::Events::Rule": ["Name"],
    "AWS::IAM::ManagedPolicy": ["ManagedPolicyName"],
    "AWS::IAM::Role": ["RoleName"],
    "AWS::Lambda::Function": ["FunctionName"],
    "AWS::Logs::LogGroup": ["LogGroupName"],
    "AWS::Logs::ResourcePolicy": ["PolicyName"],
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::SNS::Topic": ["TopicName"],
    "AWS::SecretsManager::Secret": ["Name"],
}


def many(value):
    return value if isinstance(value, list) else [value]


def statements(tree):
    """All statements of policies in a tree, those written as text too."""
    if isinstance(tree, dict):
        if "Statement" in tree:
            yield from many(tree["Statement"])
        for value in tree.values():
            yield from statements(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from statements(value)
    elif isinstance(tree, str) and '"Statement"' in tree:
        yield from statements(json.loads(tree))


def policies(resources):
    for name, resource in resources.items():
        for statement in statements(resource["Properties"]):
            yield from (f"{name}: {problem}" for problem in _statement(statement))
        for arn in resource["Properties"].get("ManagedPolicyArns", []):
            if arn.startswith("arn:") and arn.rsplit("/", 1)[1] not in MANAGED:
                yield f"{name}: the managed policy {arn} was not looked at"


def _statement(statement):
    if statement["Effect"] == "Deny":
        return
    for field in ("NotAction", "NotResource", "NotPrincipal"):
        if field in statement:
            yield f"{field} allows whatever is not thought of"
    if "*" in many(statement.get("Principal", [])) or {"AWS": "*"} in many(statement.get("Principal", [])):
        yield "everybody is a principal"
    for action in many(statement.get("Action", [])):
        if "*" in action or "?" in action:
            yield f"the action {action} has a wildcard"
        if "Principal" in statement and "Resource" not in statement:
            continue
        for resource in many(statement.get("Resource", "*")):
            if resource != "*":
                continue
            if action not in WITHOUT_RESOURCE:
                yield f"{action} is allowed on *"
                continue
            bound = WITHOUT_RESOURCE[action]
            keys = {key for test in statement.get("Condition", {}).values() for key in test}
            if bound and bound not in keys:
                yield f"{action} is allowed on * without a condition on {bound}"


def world(resources):
    for name, resource in resources.items():
        kind, properties = resource["Type"], resource["Properties"]
        if kind == "AWS::EC2::SecurityGroup":
            ingress = properties.get("SecurityGroupIngress", [])
        elif kind == "AWS::EC2::SecurityGroupIngress":
            ingress = [properties]
        else:
            ingress = []
        for rule in ingress:
            yield from (f"{name}: {problem}" for problem in _ingress(rule))
        if kind.endswith("::Listener") and int(properties["Port"]) not in OPEN_PORTS:
            yield f"{name}: a listener on port {properties['Port']}"
        if kind == "AWS::Lambda::Url":
            yield f"{name}: a function that everybody can ask"
        if kind == "AWS::S3::Bucket":
            blocked = properties.get("PublicAccessBlockConfiguration", {})
            if len(blocked) != 4 or not all(value is True for value in blocked.values()):
                yield f"{name}: a bucket that may be public"
        if kind == "AWS::ECS::Service":
            groups = properties["NetworkConfiguration"]["AwsvpcConfiguration"].get("SecurityGroups")
            if not groups:
                yield f"{name}: a service without a security group"


def _ingress(rule):
    source = rule.get("CidrIp") or rule.get("CidrIpv6")
    if source is None:
        if not (rule.get("SourceSecurityGroupId") or rule.get("SourcePrefixListId")):
            yield "a rule without a source"
        return
    try:
        inside = ipaddress.ip_network(source, strict=False).is_private
    except ValueError:
        inside = False
    # 0.0.0.0/0 begins in a network that is private by itself.
    if inside and not source.endswith("/0"):
        return
    ports = rule.get("FromPort"), rule.get("ToPort")
    if rule["IpProtocol"] != "tcp" or ports[0] != ports[1] or ports[0] not in OPEN_PORTS:
        yield f"{source} reaches {rule['IpProtocol']} ports {ports[0]} to {ports[1]}"


def fixed_names(first, second):
    """`first` and `second` are the resources of two stacks of other names: what has the same name in both cannot be made twice."""
    for (name, resource), (_, other) in zip(first.items(), second.items(), strict=True):
        for place in NAMES.get(resource["Type"], []):
            one, two = _at(resource["Properties"], place), _at(other["Properties"], place)
            if one is not None and one == two:
                yield f"{name}: {place} is {one} in every stack"


def _at(tree, place):
    for part in place.split("."):
        tree = tree.get(part, {}) if isinstance(tree, dict) else {}
    return tree or None


def foreign(resources, partition):
    """ARNs of another partition."""
    wrong = "arn:aws:" if partition == "aws-cn" else "arn:aws-cn:"
    for name, resource in resources.items():
        text = json.dumps(resource)
        if wrong in text:
            yield f"{name}: an ARN of another partition, {text[text.index(wrong):][:60]}"
