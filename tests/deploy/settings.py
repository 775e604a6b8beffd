"""The variables that programs read, as their sources name them."""

import pathlib
import re

SOURCES = pathlib.Path(__file__).parents[2] / "examples/src"
# Of programs that are yet to come.
WAITING = {
    "LSV_STORE",
    "LSV_STORE_NODE",
    "LSV_NODE_TOKEN",
    "LSV_PROCESSORS",
    "LSV_AWS_BUCKET",
    "LSV_AWS_CHANNELS_TABLE",
    "LSV_AWS_CLUSTER",
    "LSV_AWS_COLD_CLASS",
    "LSV_AWS_CONTAINER",
    "LSV_AWS_EVENT_BUS",
    "LSV_AWS_KMS_KEY",
    "LSV_AWS_LAUNCH_TYPE",
    "LSV_AWS_SECRET",
    "LSV_AWS_SECURITY_GROUPS",
    "LSV_AWS_SESSIONS_TABLE",
    "LSV_AWS_SUBNETS",
    "LSV_AWS_TASK_DEFINITION",
}


def known():
    found = (re.findall(r'env = "(LSV_[A-Z_]+)"', path.read_text(encoding="utf-8")) for path in SOURCES.rglob("*.rs"))
    return WAITING.union(*found)
