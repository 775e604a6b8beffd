"""Templates of CloudFormation, read and worked out for given parameters and a region: what would be asked of AWS.

What only AWS knows, such as the id of a resource, stays as `<Logical.Attribute>`.
"""

import hashlib
import pathlib
import re

import yaml

FOLDER = pathlib.Path(__file__).parents[2] / "examples/deploy/cloudformation"
MAIN = FOLDER / "lsv.yaml"
ABSENT = object()


class Loader(yaml.SafeLoader):
    """YAML as CloudFormation reads it: short forms of functions, and no aliases."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("CloudFormation knows no aliases")
        return super().compose_node(parent, index)


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


Loader.add_multi_constructor("!", _function)


def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def texts(tree):
    """All texts of a tree, keys too."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from texts(value)
    elif isinstance(tree, str):
        yield tree


def names(tree):
    """What a tree refers to by Ref, GetAtt and Sub."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0]
            elif key == "Fn::Sub":
                text, given = (value, {}) if isinstance(value, str) else value
                found = re.findall(r"\$\{([^!}][^}]*)\}", text)
                yield from (name.split(".")[0] for name in found if name not in given)
                yield from names(given)
            else:
                yield from names(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from names(value)


def partition(region):
    return "aws-cn" if region.startswith("cn-") else "aws"


def render(path, parameters, region, name="lsv", stacks=None):
    """All resources, those of nested stacks too, by path of logical names; and the outputs of the stack itself."""
    return Stack(load(path), parameters, region, name, path.parent, stacks or {}).render()


class Stack:
    def __init__(self, template, parameters, region, name, folder, overrides):
        self.template, self.name, self.folder, self.overrides = template, name, folder, overrides
        self.region = region
        declared = template.get("Parameters", {})
        unknown = set(parameters) - set(declared)
        if unknown:
            raise ValueError(f"{name}: unknown parameters {sorted(unknown)}")
        self.values = {key: parameters.get(key, about.get("Default", ABSENT)) for key, about in declared.items()}
        missing = sorted(key for key, value in self.values.items() if value is ABSENT)
        if missing:
            raise ValueError(f"{name}: parameters without a value {missing}")
        for key, about in declared.items():
            value = self.values[key]
            if isinstance(value, str) and (about["Type"].startswith("List<") or about["Type"] == "CommaDelimitedList"):
                self.values[key] = value.split(",")
            elif not isinstance(value, list):
                self.values[key] = str(value)
        unlike = hashlib.sha256(name.encode()).hexdigest()[:32]
        self.values |= {
            "AWS::Region": region,
            "AWS::Partition": partition(region),
            "AWS::URLSuffix": "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com",
            "AWS::AccountId": "123456789012",
            "AWS::StackName": name,
            "AWS::StackId": f"arn:{partition(region)}:cloudformation:{region}:123456789012:stack/{name}/{unlike[:8]}-{unlike[8:]}",
            "AWS::NoValue": ABSENT,
        }
        self.outputs_of = {}
        self.resources = {}

    def render(self):
        for logical, resource in self.template["Resources"].items():
            self._resource(logical, resource)
        outputs = {}
        for key, output in self.template.get("Outputs", {}).items():
            if self.holds(output.get("Condition")):
                outputs[key] = self.value(output["Value"])
        return self.resources, outputs

    def _resource(self, logical, resource):
        if logical in self.outputs_of or not self.holds(resource.get("Condition")):
            return
        self.outputs_of[logical] = {}
        nested = resource["Type"] == "AWS::CloudFormation::Stack"
        properties = self.value(resource.get("Properties", {}))
        if not nested:
            self.resources[f"{self.name}/{logical}"] = {"Type": resource["Type"], "Properties": properties}
            return
        path = self.folder / properties["TemplateURL"]
        template = self.overrides.get(path.name) or load(path)
        inner = Stack(template, properties["Parameters"], self.region, f"{self.name}-{logical}", self.folder, self.overrides)
        resources, self.outputs_of[logical] = inner.render()
        self.resources |= resources

    def value(self, tree):
        if isinstance(tree, list):
            return [value for value in map(self.value, tree) if value is not ABSENT]
        if not isinstance(tree, dict):
            return tree
        if len(tree) == 1:
            (key, argument) = next(iter(tree.items()))
            if key == "Ref":
                return self._ref(argument)
            if key.startswith("Fn::"):
                return getattr(self, "_" + key[4:].lower())(argument)
        worked = {key: self.value(value) for key, value in tree.items()}
        return {key: value for key, value in worked.items() if value is not ABSENT}

    def _ref(self, name):
        if name in self.values:
            return self.values[name]
        if name not in self.template["Resources"]:
            raise ValueError(f"{self.name}: {name} is not there")
        return f"<{self.name}/{name}>"

    def _getatt(self, argument):
        logical, attribute = argument
        resource = self.template["Resources"][logical]
        if not self.holds(resource.get("Condition")):
            raise ValueError(f"{self.name}: {logical} is asked for where it is not made")
        if resource["Type"] != "AWS::CloudFormation::Stack":
            return f"<{self.name}/{logical}.{attribute}>"
        self._resource(logical, resource)
        return self.outputs_of[logical][attribute.removeprefix("Outputs.")]

    def _sub(self, argument):
        text, given = (argument, {}) if isinstance(argument, str) else argument
        given = self.value(given)

        def found(match):
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in given:
                return str(given[name])
            value = self._getatt(name.split(".", 1)) if "." in name else self._ref(name)
            if not isinstance(value, str):
                raise ValueError(f"{self.name}: {name} is no text")
            return value

        return re.sub(r"\$\{([^}]+)\}", found, text)

    def _if(self, argument):
        condition, yes, no = argument
        return self.value(yes if self.holds(condition) else no)

    def _join(self, argument):
        return argument[0].join(self.value(argument[1]))

    def _split(self, argument):
        return self.value(argument[1]).split(argument[0])

    def _select(self, argument):
        return self.value(argument[1])[int(argument[0])]

    def _findinmap(self, argument):
        table, first, second = (self.value(part) for part in argument)
        return self.template["Mappings"][table][first][second]

    def _equals(self, argument):
        first, second = (self.value(part) for part in argument)
        return str(first) == str(second)

    def _not(self, argument):
        return not self.holds(argument[0])

    def _and(self, argument):
        return all(self.holds(part) for part in argument)

    def _or(self, argument):
        return any(self.holds(part) for part in argument)

    def holds(self, condition):
        if condition is None:
            return True
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        if "Condition" in condition:
            return self.holds(condition["Condition"])
        return self.value(condition)
