"""What the tester must not do: reach out to strangers, and wait. And what no schema can tell it: which zones there are.

It makes up addresses. Those that are addresses become a simulated device's, and those that are URLs this machine's,
so that nothing outside is ever connected to; what is neither stays what it is. A `wait` that would be obeyed becomes
a short one. A text that stands for a time zone becomes the name of one.
"""

import ipaddress
import os
import re

import schemathesis

URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!-~]*)?", re.ASCII)
DEVICE = os.environ["DEVICE"].rsplit(":", 1)


@schemathesis.hook
def before_call(context, case, **kwargs):
    body = case.body
    if isinstance(body, dict):
        if is_address(body.get("ip_address")):
            body["ip_address"] = DEVICE[0]
            # What is no port stays, and is to be refused.
            if isinstance(body.get("port", 1), (int, float)) and 1 <= body.get("port", 1) <= 65535:
                body["port"] = int(DEVICE[1])
        url = body.get("url")
        if isinstance(url, str) and len(url) <= 2048 and "#" not in url and URL.fullmatch(url):
            body["url"] = "http://127.0.0.1:9/"
        if isinstance(body.get("timezone"), str):
            body["timezone"] = "Asia/Baghdad"
    if isinstance(case.query, dict) and is_number(case.query.get("wait")):
        if 0.05 < float(case.query["wait"]) <= 60:
            case.query["wait"] = 0.05


@schemathesis.check
def no_defect(ctx, response, case):
    """Problems with a device are part of the trade; `internal` is a defect whatever its status."""
    if '"code":"internal"' in response.text:
        raise AssertionError("the service reports a defect of its own")


def is_address(value):
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value.strip()))
    except ValueError:
        return False


def is_number(value):
    try:
        return value is not None and float(value) >= 0
    except (TypeError, ValueError):
        return False
