"""Drives published clients of BioTime's API. One order per line as JSON, one answer per line."""

import json
import sys
from datetime import datetime

import biotime
import pybiotime


def client(order):
    kinds = {"Token": pybiotime.TokenAuth, "JWT": pybiotime.JWTAuth}
    auth = kinds[order["scheme"]](order["username"], order["password"])
    return pybiotime.BioTimeClient(order["url"], auth=auth, timeout=20, retries=0)


def shown(punch):
    return {
        "id": punch.id,
        "emp_code": punch.emp_code,
        "punch_time": punch.punch_time.strftime("%Y-%m-%d %H:%M:%S"),
        "punch_state": punch.punch_state,
        "verify_type": punch.verify_type,
        "terminal_sn": punch.terminal_sn,
        "terminal_alias": punch.terminal_alias,
    }


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S") if text else None


def transactions(order):
    with client(order) as server:
        pager = server.transactions.list(
            start=moment(order.get("start")),
            end=moment(order.get("end")),
            emp_code=order.get("emp_code"),
            terminal_sn=order.get("terminal_sn"),
            page_size=order["page_size"],
        )
        return {"count": pager.count(), "data": [shown(punch) for punch in pager]}


def read_new(order):
    with client(order) as server:
        result = server.transactions.read_new(order.get("state"), page_size=order["page_size"])
        return {"state": result.state, "data": [shown(punch) for punch in result.transactions]}


def one(order):
    with client(order) as server:
        return shown(server.transactions.get(order["id"]))


def terminals(order):
    with client(order) as server:
        found = [[each.id, each.sn, each.alias, each.state] for each in server.terminals.list()]
        by_serial = server.terminals.get_by_sn(order["terminal_sn"])
        return {"data": found, "by_serial": by_serial.id, "alias": server.terminals.get(by_serial.id).alias}


def second_client(order):
    server = biotime.BIOT(order["url"], order["username"], order["password"])
    page = server.request("GET", "iclock/api/transactions/", params={"page": 2, "page_size": 5})
    return [row["id"] for row in page["data"]]


ORDERS = {each.__name__: each for each in (transactions, read_new, one, terminals, second_client)}

for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = {"ok": ORDERS[order["do"]](order)}
    except Exception as error:  # whatever a client says went wrong
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
