#!/usr/bin/env python3
"""Browsers that listen: how long an alert takes from its publisher to the last of them, and what each costs the web server in memory.

    Benchmarks/events.py SPINDLE WORKDIR [--clients 10000] [--rounds 20]

SPINDLE: the release executable. WORKDIR: a directory, which is emptied first. Install cc, and raise `ulimit -n` above the number of clients.
The benchmark starts one broker and one web server, and signs in people with 400 streams each. The clients are one C program
(Benchmarks/events.c) on the same machine, over HTTP/1.1 without TLS. The clock starts before the publisher sends the event, and stops when
the last client has read it.
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "protocol", "vectors"))
import wire  # noqa: E402: it lies there

PORT = int(os.environ.get("PORT_BASE", "17600"))
STREAMS_PER_PERSON = 400
PASSWORD = "correct horse battery"
ALERT = json.dumps({"type": "note", "title": "Measured", "message": "by Benchmarks/events.py", "severity": "info"})


def start(arguments, log, port):
    process = subprocess.Popen(arguments, stdout=log, stderr=log)
    deadline = time.time() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).read()
            return process
        except OSError:
            if time.time() > deadline or process.poll() is not None:
                sys.exit(f"{' '.join(arguments[:2])} does not start; see {log.name}")
            time.sleep(0.05)


def resident(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cookies(spindle, data, people):
    lines = []
    for number in range(people):
        command = [spindle, "user", "add", f"person-{number}", "--role", "viewer", "--password-file", "-", "--data", data]
        subprocess.run(command, input=PASSWORD, text=True, check=True, capture_output=True)
        connection = http.client.HTTPConnection("127.0.0.1", PORT + 2)
        body = json.dumps({"name": f"person-{number}", "password": PASSWORD})
        connection.request("POST", "/api/session", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            sys.exit(f"person-{number} can't sign in: {answer.status} {answer.read()}")
        lines.append("Cookie: " + answer.getheader("Set-Cookie").split(";")[0])
    return lines


class Publisher:
    """A connection to the broker that publishes alerts, one confirmed request at a time."""

    def __init__(self, token):
        self.connection = socket.create_connection(("127.0.0.1", PORT), 20)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = {"versionMin": 1, "versionMax": 1, "capabilities": [], "clientName": "events", "clientVersion": "1", "labels": []}
        self.connection.sendall(wire.frame("HELLO", "request", wire.hello(hello)).data)
        self.read()
        self.connection.sendall(wire.frame("AUTH", "request", wire.body("AUTH", "request", {"method": "token", "credential": token})).data)
        self.read()
        record = {"bodyHex": ALERT.encode().hex(), "contentType": "application/json"}
        request = {"producerId": "0", "firstSequence": 0, "topic": "notification.alert", "records": [record]}
        self.frame = wire.frame("TOPIC_PUBLISH", "request", wire.body("TOPIC_PUBLISH", "request", request)).data

    def read(self):
        data = b""
        while len(data) < 4 or len(data) < int.from_bytes(data[:4], "little"):
            more = self.connection.recv(1 << 16)
            if not more:
                sys.exit("the broker cut the connection")
            data += more

    def publish(self):
        begin = time.monotonic_ns()
        self.connection.sendall(self.frame)
        self.read()
        return begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spindle")
    parser.add_argument("workdir")
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    folder = os.path.abspath(options.workdir)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    data, client = os.path.join(folder, "data"), os.path.join(folder, "events")
    subprocess.run(["cc", "-O2", "-o", client, os.path.join(HERE, "events.c")], check=True)
    log = open(os.path.join(folder, "log"), "w")
    common = ["--data", data, "--port-base", str(PORT)]
    broker = start([options.spindle, "broker", *common], log, PORT + 3)
    bridge = listeners = None
    try:
        bridge = start([options.spindle, "bridge", *common], log, PORT + 2)
        headers = os.path.join(folder, "headers")
        people = cookies(options.spindle, data, -(-options.clients // STREAMS_PER_PERSON))
        with open(headers, "w") as file:
            file.write("\n".join(people) + "\n")
        with open(os.path.join(data, "tokens", "admin")) as file:
            publisher = Publisher(file.read().strip())
        before = resident(bridge)
        arguments = [client, str(PORT + 2), str(options.clients), "/events/alerts", headers, "notification.alert"]
        listeners = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begin = time.time()
        if listeners.stdout.readline() != "ready\n":
            sys.exit("the clients are not connected")
        after = resident(bridge)
        print(f"{options.clients} connected in {time.time() - begin:.1f} s; resident {before} → {after} KiB, {(after - before) / options.clients:.1f} KiB each")
        rounds = []
        for _ in range(options.rounds):
            listeners.stdin.write("\n")
            listeners.stdin.flush()
            sent = publisher.publish()
            rounds.append([(int(at) - sent) / 1e6 for at in listeners.stdout.readline().split()])
        for name, index in (("first", 0), ("median", 1), ("last", 2)):
            values = sorted(one[index] for one in rounds)
            print(f"{name} client: median {values[len(values) // 2]:.1f} ms, worst {values[-1]:.1f} ms of {len(values)} rounds")
        print(f"resident afterwards {resident(bridge)} KiB")
    finally:
        for process in (listeners, bridge, broker):
            if process:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
