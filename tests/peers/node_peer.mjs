// Drives node-zklib and zkteco-js, as they are published, on the orders of a test: one line of JSON in, one line
// of JSON out. Nothing is judged here: what they say is passed on in plain types, what they throw as an error.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// The clients talk to the console; only the answers may go to the test.
console.log = console.error;

const require = createRequire(`${process.env.PEERS}/`);
const NodeZklib = require('node-zklib');
const NodeZklibUdp = require('node-zklib/zklibudp.js');
const ZktecoJs = require('zkteco-js');

const TIMEOUT_MS = 5000;
const ANY_PORT = 0;

const clients = {
    'node-zklib/tcp': async ({ ip, port }) => {
        const client = new NodeZklib(ip, port, TIMEOUT_MS, ANY_PORT);
        await client.createSocket();
        return client;
    },
    // Its front door tries UDP only where TCP is refused.
    'node-zklib/udp': async ({ ip, port }) => {
        const client = new NodeZklibUdp(ip, port, TIMEOUT_MS, ANY_PORT);
        await client.createSocket();
        await client.connect();
        return client;
    },
    'zkteco-js/tcp': async ({ ip, port }) => {
        const client = new ZktecoJs(ip, port, TIMEOUT_MS, ANY_PORT);
        await client.createSocket();
        return client;
    },
};

async function read({ client: name, at }) {
    const client = await clients[name](at);
    try {
        const info = await client.getInfo();
        const users = rows(await client.getUsers());
        const punches = rows(await client.getAttendances());
        return {
            counts: { users: info.userCounts, punches: info.logCounts, capacity: info.logCapacity },
            serial_number: client.getSerialNumber ? await client.getSerialNumber() : null,
            users: users.map(user),
            punches: punches.map(punch),
        };
    } finally {
        await client.disconnect();
    }
}

function rows({ data, err }) {
    if (err) throw err;
    return data;
}

function user(row) {
    return {
        uid: row.uid,
        user_id: String(row.userId),
        name: row.name,
        privilege: row.role,
        card_number: row.cardno ?? null,
    };
}

function punch(row) {
    return {
        user_id: String(row.deviceUserId ?? row.user_id),
        timestamp: new Date(row.recordTime ?? row.record_time).toISOString().slice(0, 19),
    };
}

for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
        answer = { ok: await read(JSON.parse(line)) };
    } catch (error) {
        answer = { error: String(error?.message ?? error?.err?.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
