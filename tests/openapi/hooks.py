"""What the tester must not do: reach out to strangers, and wait. And what no schema can tell it: which zones there are.

It makes up addresses. Those that are addresses become a simulated device's, and those that are URLs this machine's,
so that nothing outside is ever connected to; what is neither stays what it is. A `wait` that would be obeyed becomes
a short one. A text that stands for a time zone becomes the name of one. And a number such as 5.0, which a schema cannot
tell from 5, is written as 5: the service takes no point or exponent in whole numbers, and says so in its description.
"""

import ipaddress
import os
import re

import schemathesis

URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!-~]*)?", re.ASCII)
DEVICE = os.environ["DEVICE"].rsplit(":", 1)


@schemathesis.hook
def before_call(context, case, **kwargs):
    # Changed in place: a body that is set anew counts as another test.
    body = case.body
    if isinstance(body, dict):
        for name, value in body.items():
            body[name] = without_points(value)
        if is_address(body.get("ip_address")):
            body["ip_address"] = DEVICE[0]
            # What is no port stays, and is to be refused.
            if isinstance(body.get("port", 1), (int, float)) and 1 <= body.get("port", 1) <= 65535:
                body["port"] = int(DEVICE[1])
        url = body.get("url")
        if isinstance(url, str) and len(url) <= 2048 and "#" not in url and URL.fullmatch(url):
            body["url"] = "http://127.0.0.1:9/"
        # A range that would be looked at becomes this machine's.
        if isinstance(body.get("range"), str) and re.match(r"[0-9.:]", body["range"].strip()):
            body["range"] = "127.0.0.1"
        if isinstance(body.get("timezone"), str):
            body["timezone"] = "Asia/Baghdad"
    if isinstance(case.query, dict) and is_number(case.query.get("wait")):
        if 0.05 < float(case.query["wait"]) <= 60:
            case.query["wait"] = 0.05


@schemathesis.check
def no_defect(ctx, response, case):
    """Problems with a device are part of the trade; `internal` is a defect whatever its status."""
    if b'"code":"internal"' in response.content:
        raise AssertionError("the service reports a defect of its own")


def without_points(value):
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, list):
        return [without_points(item) for item in value]
    if isinstance(value, dict):
        return {name: without_points(item) for name, item in value.items()}
    return value


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
