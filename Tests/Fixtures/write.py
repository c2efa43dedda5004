#!/usr/bin/env python3
"""Writes small data directories with a `spindle` executable, to be kept as fixtures: later versions must be able to start on them.

    Tests/Fixtures/write.py SPINDLE TARGET

SPINDLE: the executable whose data is kept. TARGET: the directory for the archives. Each archive NAME.tar.gz comes with NAME.json: what the
executable itself told about the data before it ended. README.md says what is in them.
Durations are ten years, so that time alone changes nothing in them for as long.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "protocol", "vectors"))
import wire  # noqa: E402: it lies there

LONG = "3650d"
PRODUCER = 0x5EED


class Cluster:
    """The roles of one data directory, each a process."""

    def __init__(self, spindle, folder):
        self.spindle, self.folder, self.data = spindle, folder, os.path.join(folder, "data")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = min(probe.getsockname()[1], 65000)
        text = subprocess.run([spindle, "config", "show"], check=True, capture_output=True, text=True).stdout
        text = text.replace("frameBytes: 16 MiB", "frameBytes: 128 KiB")
        text = re.sub(r"outputBuffer: .*", "outputBuffer: 8 MiB\n    log: {segment: 256 KiB, checkpointEvery: 64 GiB, keepFree: 1 MiB}", text)
        text = text.replace("maxOutputBuffer", "outputBuffer").replace("portBase: 7400", f"portBase: {self.base}").replace("7402", str(self.base + 2))
        self.config = os.path.join(folder, "cluster.yaml")
        with open(self.config, "w") as file:
            file.write(text)
        self.processes = {}

    def start(self, role, *more):
        log = open(os.path.join(self.folder, f"{role}.log"), "a")
        command = [self.spindle, role, "--config", self.config, "--data", self.data, "--port-base", str(self.base), *more]
        self.processes[role] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        ready = {"broker": self.base + 3, "bridge": self.base + 2}.get(role)
        deadline = time.time() + 30
        while ready:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{ready}/readyz", timeout=5).read()
                return
            except OSError:
                if time.time() > deadline or self.processes[role].poll() is not None:
                    sys.exit(f"{role} does not start: {open(log.name).read()[-2000:]}")
                time.sleep(0.02)

    def end(self, how, *roles):
        for role in roles or list(self.processes):
            process = self.processes.pop(role)
            process.send_signal(how)
            process.wait(30)

    def run(self, *command):
        command = [self.spindle, *command, "--data", self.data, "--port-base", str(self.base), "--json"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)}: {result.stderr}")
        values = [json.loads(line) for line in result.stdout.splitlines()]
        return values[0] if len(values) == 1 and isinstance(values[0], list) else values

    def token(self, principal="admin"):
        with open(os.path.join(self.data, "tokens", principal)) as file:
            return file.read().strip()

    def produce(self, queue, sequence, texts):
        """A PUBLISH of a producer with a known id."""
        hello = {"versionMin": 1, "versionMax": 1, "capabilities": [], "clientName": "fixture", "clientVersion": "1", "labels": []}
        publish = {"producerId": hex(PRODUCER), "firstSequence": sequence, "queue": queue, "records": [{"bodyText": text} for text in texts]}
        with socket.create_connection(("127.0.0.1", self.base), 20) as connection:
            for opcode, body in (("HELLO", hello), ("AUTH", {"method": "token", "credential": self.token()}), ("PUBLISH", publish)):
                connection.sendall(wire.frame(opcode, "request", wire.body(opcode, "request", body)).data)
                length = int.from_bytes(receive(connection, 4), "little")
                answer = receive(connection, length - 4)
                if answer[3] != wire.FLAGS["reply"]:
                    sys.exit(f"{opcode}: {answer!r}")

    def web(self, method, path, body=None, principal="web"):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token(principal)}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.base + 2}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    # What the broker itself tells.

    def told(self):
        queues = {queue["name"]: queue for queue in self.run("queue", "ls")}
        stats = {name: self.run("queue", "stats", name)[0] for name in queues}
        messages = {name: self.run("queue", "browse", name, "--limit", "0") for name in queues}
        topics = self.run("topic", "ls")
        held = sum(topic["events"] for topic in topics)
        events = self.run("topic", "subscribe", "*", "--from", "earliest", "--count", str(held)) if held else []
        return {"version": version(self.spindle), "queues": stats, "messages": messages, "topics": topics, "events": events}

    def keep(self, target, name, told):
        with open(os.path.join(target, f"{name}.json"), "w") as file:
            json.dump(told, file, ensure_ascii=False, indent=1, sort_keys=True)
            file.write("\n")
        path = os.path.join(target, f"{name}.tar.gz")
        with tarfile.open(path, "w:gz", compresslevel=9) as archive:
            for part in ("cluster", "tokens", "broker/log", "mcms"):
                if os.path.exists(os.path.join(self.data, part)):
                    archive.add(os.path.join(self.data, part), part, filter=plain)
        print(f"{path}: {os.path.getsize(path)} bytes")
        if os.path.getsize(path) > 200_000:
            sys.exit(f"{path} is too large to be kept")


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            sys.exit("the broker closed the connection")
        data += piece
    return data


def plain(info):
    """Whoever writes the archives, they are the same. Segments that are prepared or spent hold nothing, nor does
    SQLite's shared memory."""
    if info.name.endswith((".prepared", ".spent", "-shm")):
        return None
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def version(spindle):
    return subprocess.run([spindle, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def waited(what, condition):
    deadline = time.time() + 30
    while not condition():
        if time.time() > deadline:
            sys.exit(f"not within 30 s: {what}")
        time.sleep(0.05)


# What is in them.

def first_part(cluster):
    """Queues of every kind of policy with messages in every state, and all else that a log can hold. Returns the ids of the messages that
    left results."""
    run = cluster.run
    declare = lambda name, *policy: run("queue", "declare", name, "--lease", LONG, "--lease-max", LONG, "--deduplication-window", LONG, *policy)
    publish = lambda queue, text, *more: run("message", "publish", queue, "--text", text, *more)[0]["id"]
    lease = lambda queue, count=1: [message["token"] for message in run("message", "lease", queue, "--max", str(count), "--wait", "5s")]

    declare("plain", "--attempts-max", "7", "--length-max", "1000", "--bytes-max", "1MiB", "--backoff-kind", "fixed", "--backoff-jitter", "0")
    for number in range(40):
        publish("plain", f"plain {number}", "--task-type", "Plain", "--header", f"number={number}")
    run("message", "ack", *lease("plain", 5))
    lease("plain", 3)
    declare("priorities", "--priorities")
    for priority in (0, 4, 9, 4):
        publish("priorities", f"priority {priority}", "--priority", str(priority))
    declare("ordered", "--ordered-groups", "--no-priorities")
    for number in range(12):
        publish("ordered", f"ordered {number}", "--group", f"라우팅-{number % 4}")
    lease("ordered", 2)
    declare("fair", "--fair-groups", "--concurrency", "8", "--concurrency-per-group", "2", "--rate-per-second", "1000", "--rate-per-second-per-group", "500")
    for number in range(30):
        publish("fair", f"fair {number}", "--group", "large" if number < 24 else f"small-{number}")
    run("message", "ack", *lease("fair", 4))
    declare("keys")
    for number in range(20):
        publish("keys", f"keys {number}", "--dedup-key", f"key-{number}")
    run("message", "ack", *lease("keys", 4))
    declare("delayed", "--delay", LONG)
    for number in range(5):
        publish("delayed", f"delayed {number}")
    publish("delayed", "sooner", "--delay", "3000d")
    declare("mortal", "--time-to-live", LONG)
    publish("mortal", "the queue's time")
    publish("mortal", "a time of its own", "--ttl", "3649d")
    declare("failing", "--attempts-max", "3", "--backoff-initial", "0s", "--backoff-jitter", "0", "--dead-letter-queue", "failing.dead")
    for number in range(3):
        publish("failing", f"failing {number}", "--group", f"group-{number}", "--header", "kind=failing")
    for attempt in range(3):
        for token in lease("failing", 3):
            run("message", "nack", token, "--delay", "0s", "--reason", f"attempt {attempt + 1}: the share W:\\ is not mounted")
    publish("failing", "failed once")
    run("message", "nack", *lease("failing"), "--delay", LONG, "--reason", "later")
    publish("failing", "dead at once")
    run("message", "nack", *lease("failing"), "--dead", "--reason", "no such routing")
    declare("results", "--result-retention", LONG)
    ids_with_results = [publish("results", f"result {number}") for number in range(3)][:2]
    for number, token in enumerate(lease("results", 2)):
        run("message", "ack", token, "--result", json.dumps({"rows": number}))
    declare("paused")
    publish("paused", "waits")
    run("queue", "pause", "paused", "--what", "both", "--reason", "점검")
    declare("deleted")
    publish("deleted", "gone")
    run("queue", "delete", "deleted", "--with-messages", "--yes")
    declare("purged")
    publish("purged", "gone", "--dedup-key", "kept")
    run("queue", "purge", "purged", "--yes")
    declare("cancelled")
    ids = [publish("cancelled", f"cancelled {number}") for number in range(3)]
    lease("cancelled")
    run("message", "cancel", "cancelled", *ids[:2])
    run("message", "reschedule", "cancelled", ids[2], "--delay", LONG)
    declare("source")
    for number in range(4):
        publish("source", f"moved {number}", "--group", "moved" if number < 2 else "stays")
    declare("target", "--ordered-groups")
    run("queue", "move", "source", "--to", "target", "--group", "moved", "--wait")
    run("topic", "declare", "kept.*", "--age", LONG, "--events", "5")
    run("topic", "declare", "other.*", "--age", LONG, "--bytes", "1MiB")
    for number in range(8):
        run("topic", "publish", "kept.events", "--text", f"event {number}")
    run("topic", "publish", "other.events", "--text", "이벤트", "--content-type", "text/plain")
    cluster.produce("plain", 1, ["produced 1", "produced 2"])
    return ids_with_results


def second_part(cluster):
    """After the checkpoint: what an entry of each kind adds."""
    run = cluster.run
    cluster.produce("plain", 3, ["produced 3"])
    for number in range(20, 25):
        run("message", "publish", "keys", "--text", f"keys {number}", "--dedup-key", f"key-{number}")
    token = run("message", "lease", "ordered", "--max", "1", "--wait", "5s")[0]["token"]
    run("message", "extend", token, "--percent", "40", "--note", "roughing 3/7")
    for token in [message["token"] for message in run("message", "lease", "keys", "--max", "3", "--wait", "5s")]:
        run("message", "ack", token)
    run("message", "publish", "failing", "--text", "failed after the checkpoint", "--group", "late")
    token = run("message", "lease", "failing", "--wait", "5s")[0]["token"]
    run("message", "nack", token, "--dead", "--reason", "after the checkpoint")
    run("topic", "publish", "kept.events", "--text", "event 8")
    run("queue", "declare", "late", "--lease", LONG, "--lease-max", LONG, "--fair-groups")
    for number in range(6):
        run("message", "publish", "late", "--text", f"late {number}", "--group", f"late-{number % 2}")
    # One of the dead letters goes back; the job that does it is stopped while it waits for its next second.
    job = run("queue", "redrive", "failing.dead", "--origin", "failing", "--header", "kind=failing", "--rate", "1")[0]
    waited("the first dead letter is redriven", lambda: run("queue", "job", "failing.dead", str(job["job"]))[0]["done"] >= 1)
    run("queue", "job", "failing.dead", str(job["job"]), "--stop")


def queues(cluster, target, name, how):
    cluster.start("broker")
    ids = first_part(cluster)
    cluster.end(signal.SIGTERM)
    cluster.start("broker")
    second_part(cluster)
    told = cluster.told()
    told["jobs"] = [cluster.run("queue", "job", "source", "1")[0], cluster.run("queue", "job", "failing.dead", "2")[0]]
    told["results"] = cluster.run("message", "await", "results", *ids)
    cluster.end(how)
    cluster.keep(target, name, told)


def domain(cluster, target, name, how):
    """Routings in every state, their jobs, histories and sessions; with messages in the outbox that no broker has taken."""
    cluster.start("broker")
    cluster.start("bridge")
    web = cluster.web

    def routing(text, *actions):
        id = web("POST", "/api/routings", {"name": text})["id"]
        for action in actions:
            web("POST", f"/api/routings/{id}/{action}", {"actor": "이영희", "reason": "확인"})
        return id

    def report(id, status, **more):
        job = web("GET", f"/api/routings/{id}")["lastAddinJobId"]
        web("POST", f"/api/addin/jobs/{job}/complete", {"resultStatus": status, "message": status, **more}, "addin")
        waited(f"the routing is {status}", lambda: web("GET", f"/api/routings/{id}")["lastGenerationStatus"] == status)

    routing("draft")
    routing("waiting", "submit")
    routing("rejected", "submit", "reject")
    routing("queued", "submit", "approve")
    cluster.start("worker")
    os.makedirs(os.path.join(cluster.data, "mcms", "share", "routings"), exist_ok=True)
    with open(os.path.join(cluster.data, "mcms", "share", "routings", "a.nc"), "w") as file:
        file.write("%\nO0001\nM30\n%\n")
    report(routing("running", "submit", "approve"), "running", progress=40)
    report(routing("completed", "submit", "approve"), "completed", outputs=[{"path": "W:\\routings\\a.nc"}])
    report(routing("failed", "submit", "approve"), "failed")
    session = urllib.request.Request(
        f"http://127.0.0.1:{cluster.base + 2}/api/session", json.dumps({"token": cluster.token("web")}).encode(),
        {"Content-Type": "application/json"}, method="POST")
    urllib.request.urlopen(session, timeout=20).read()
    told = cluster.told()
    cluster.end(how, "worker", "broker")
    routing("outbox", "submit", "approve")
    items = web("GET", "/api/routings?limit=500")["items"]
    told["routings"] = [{**item, "history": web("GET", f"/api/routings/{item['id']}/history?limit=500")["items"]} for item in items]
    told["jobs"] = web("GET", "/api/addin/jobs?limit=500")["items"]
    cluster.end(how)
    cluster.keep(target, name, told)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    spindle, target = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    os.makedirs(target, exist_ok=True)
    for write, name in ((queues, "queues"), (domain, "domain")):
        for how, ending in ((signal.SIGTERM, "stopped"), (signal.SIGKILL, "killed")):
            folder = tempfile.mkdtemp()
            cluster = Cluster(spindle, folder)
            try:
                write(cluster, target, f"{name}-{ending}", how)
            finally:
                cluster.end(signal.SIGKILL)
                shutil.rmtree(folder)


main()
