"""What schemathesis is given of the scanned board: an answer is to an alert that is there, now and then."""

import os
from typing import Any

import schemathesis


@schemathesis.hook
def map_body(_: schemathesis.HookContext, body: Any) -> Any:
    """Name the patient and the alert, where something is named."""
    if isinstance(body, dict) and len(str(body.get("handle"))) % 2 and isinstance(body.get("alert"), str):
        return body | {"handle": os.environ["SCANNED_HANDLE"], "alert": os.environ["SCANNED_ALERT"]}
    return body
