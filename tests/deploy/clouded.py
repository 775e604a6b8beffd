"""moto, with what it lacks to take our templates: outputs of nested stacks and of change sets, `AWS::NoValue` in lists,
partitions, and a note of each kind that it cannot make.
"""

from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet, Stack
from moto.events.models import EventBus
from moto.utilities.utils import get_partition

_class_of = parsing.resource_class_from_type
_clean = parsing.clean_json
_apply = ChangeSet.apply
_make_map = parsing.ResourceMap.__init__

REFERRED_BY_ARN = {"AWS::SecretsManager::Secret": "secretsmanager", "AWS::IAM::ManagedPolicy": "iam"}


class Noted:
    """A resource of a kind that moto has no model of: all that refers to it gets a made-up text."""

    def __init__(self, name, properties):
        self.physical_resource_id = name
        self.properties = properties

    @staticmethod
    def cloudformation_name_type():
        return ""

    @staticmethod
    def cloudformation_type():
        return "AWS::Noted::Resource"

    @classmethod
    def has_cfn_attr(cls, _attribute):
        return True

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        name = resource_name
        if more["ResourceType"] in REFERRED_BY_ARN:
            name = f"arn:{get_partition(region_name)}:{REFERRED_BY_ARN[more['ResourceType']]}:{region_name}:{account_id}:{name}"
        return cls(name, cloudformation_json["Properties"])

    @classmethod
    def delete_from_cloudformation_json(cls, *_all):
        pass

    def get_cfn_attribute(self, attribute):
        return f"{self.physical_resource_id}.{attribute}"

    def is_created(self):
        return True


def _class(kind):
    # Of load balancers it makes those of HTTP alone.
    known = kind in parsing.get_model_map() and not kind.startswith("AWS::ElasticLoadBalancingV2::")
    return _class_of(kind) if known else Noted


def _output(stack, attribute):
    (value,) = (one["OutputValue"] for one in stack.outputs if f"Outputs.{one['OutputKey']}" == attribute)
    return value


def _with_outputs(change_set):
    _apply(change_set)
    stack = change_set.stack
    stack.output_map = parsing.OutputMap(stack.resource_map, change_set.template_dict, stack.stack_id)


def _without_none(tree, resources):
    cleaned = _clean(tree, resources)
    return [part for part in cleaned if part is not None] if isinstance(cleaned, list) else cleaned


def _in_its_partition(resources, *arguments, **named):
    _make_map(resources, *arguments, **named)
    partition = get_partition(resources["AWS::Region"])
    resources._parsed_resources |= {  # noqa: SLF001 (moto says `aws` of every region)
        "AWS::Partition": partition,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }


parsing.resource_class_from_type = _class
parsing.clean_json = _without_none
Stack.get_cfn_attribute = _output
ChangeSet.apply = _with_outputs
parsing.ResourceMap.__init__ = _in_its_partition
EventBus.physical_resource_id = property(lambda bus: bus.name)
