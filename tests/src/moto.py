"""moto's server, with the names that S3 gives to two of its answers.

moto 5.2.1 calls them after their operations; SDKs that read the name take them for damaged.
"""

import sys

from moto.core import serialize
from moto.server import main

NAMES = {
    "CompleteMultipartUploadResponse": "CompleteMultipartUploadResult",
    "ListPartsResponse": "ListPartsResult",
}


def mend(kind):
    serialize_body = kind._serialize_body

    def mended(self, body):
        if isinstance(body, dict):
            body = {NAMES.get(name, name): value for name, value in body.items()}
        return serialize_body(self, body)

    kind._serialize_body = mended


for kind in list(vars(serialize).values()):
    if isinstance(kind, type) and "_serialize_body" in vars(kind):
        mend(kind)

main(sys.argv[1:])
