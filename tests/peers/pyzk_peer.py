"""Drives pyzk, as it is published, on the orders of a test: one line of JSON in, one line of JSON out.

Nothing is judged here: what pyzk says is passed on in plain types, and what it raises as {"error": ...}.
"""

import json
import sys
from datetime import datetime

from zk import ZK
from zk.finger import Finger
from zk.user import User


def info(device):
    """Who the device is and how full."""
    device.read_sizes()
    return {
        "serial_number": device.get_serialnumber(),
        "device_name": device.get_device_name(),
        "platform": device.get_platform(),
        "firmware_version": device.get_firmware_version(),
        "mac_address": device.get_mac(),
        "time": device.get_time().isoformat(),
        "counts": {"users": device.users, "punches": device.records},
    }


def tables(device):
    return {
        "users": [user(each) for each in device.get_users()],
        "punches": [punch(each) for each in device.get_attendance()],
    }


def user(each):
    return {
        "uid": each.uid,
        "user_id": each.user_id,
        "name": each.name,
        "privilege": each.privilege,
        "card_number": each.card,
    }


def punch(each):
    return {
        "user_id": each.user_id,
        "timestamp": each.timestamp.isoformat(),
        "status": each.status,
        "punch": each.punch,
    }


def set_time(device, time):
    device.set_time(datetime.fromisoformat(time))
    return device.get_time().isoformat()


def set_user(device, **fields):
    device.get_users()
    device.set_user(**fields)
    return [user(each) for each in device.get_users()]


def delete_user(device, uid):
    device.delete_user(uid=uid)
    return [user(each) for each in device.get_users()]


def templates(device):
    return [template(each) for each in device.get_templates()]


def template(each):
    return {"uid": each.uid, "finger": each.fid, "valid": each.valid, "bytes": each.template.hex()}


def one_template(device, uid, finger):
    found = device.get_user_template(uid=uid, temp_id=finger)
    return found and template(found)


def set_templates(device, user, fingers):
    """A user and their fingers in one go."""
    device.get_users()
    fingers = [Finger(user["uid"], each["finger"], 1, bytes.fromhex(each["bytes"])) for each in fingers]
    device.save_user_template(User(**user), fingers)


def delete_template(device, uid, finger):
    device.get_users()
    return device.delete_user_template(uid=uid, temp_id=finger)


def passwords(device):
    return [{"user_id": each.user_id, "password": each.password, "group": each.group_id} for each in device.get_users()]


def unlock(device, seconds):
    return device.unlock(time=seconds)


def restart(device):
    return device.restart()


def live_capture(device):
    """The first punch that happens after this was asked for."""
    for event in device.live_capture(new_timeout=10):
        if event is None:
            raise TimeoutError("no event came")
        device.end_live_capture = True
        seen = punch(event)
    return seen


ORDERS = [
    info,
    tables,
    set_time,
    set_user,
    delete_user,
    passwords,
    templates,
    one_template,
    set_templates,
    delete_template,
    unlock,
    restart,
    live_capture,
]


def carry_out(order):
    at = order["at"]
    clock = ZK(
        at["ip"],
        port=at["port"],
        timeout=at["timeout"],
        password=at["comm_key"],
        force_udp=at["udp"],
        ommit_ping=True,
    )
    device = clock.connect()
    try:
        do = {each.__name__: each for each in ORDERS}[order["do"]]
        return do(device, **order.get("with", {}))
    finally:
        # A device that restarts has forgotten the session already.
        if order["do"] != "restart":
            device.disconnect()


def main():
    for line in sys.stdin:
        try:
            answer = {"ok": carry_out(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
