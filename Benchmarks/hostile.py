#!/usr/bin/env python3
"""What strangers and greedy clients can do to those who behave: the round trip of a good client, and the broker's memory, beside bad
frames, slow senders, clients that never read, and storms of requests from clients that have all rights.

    Benchmarks/hostile.py SPINDLE WORKDIR [--frames 1000000] [--slow 5000] [--deaf 1000] [--storm-seconds 10] [--only NAME]

--only: one of the storms, without the rest.

SPINDLE: the release executable. WORKDIR: a directory on the disk that matters; it is made anew. The bad frames are the rejected ones of
protocol/vectors, whole and with bits turned. Exits with 1 where a connection that should have been cut was not, or the broker ended.
"""

import argparse
import json
import multiprocessing
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol", "vectors")
sys.path.insert(0, VECTORS)
import wire  # noqa: E402: it lies there

PORT = int(os.environ.get("PORT_BASE", "17500"))


def greeting(token):
    hello = {"versionMin": 1, "versionMax": 1, "capabilities": [], "clientName": "hostile", "clientVersion": "1", "labels": []}
    frames = wire.frame("HELLO", "request", wire.hello(hello)).data
    return frames + wire.frame("AUTH", "request", wire.body("AUTH", "request", {"method": "token", "credential": token})).data


def connect(timeout=20):
    return socket.create_connection(("127.0.0.1", PORT), timeout)


class Broker:
    def __init__(self, spindle, folder):
        self.spindle, self.folder = spindle, folder
        log = open(os.path.join(folder, "broker.log"), "w")
        self.process = subprocess.Popen([spindle, "broker", "--data", self.data, "--port-base", str(PORT)], stdout=log, stderr=log)
        deadline = time.time() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT + 3}/readyz", timeout=5).read()
                break
            except OSError:
                if time.time() > deadline or self.process.poll() is not None:
                    sys.exit(f"the broker does not start; see {folder}/broker.log")
                time.sleep(0.05)
        with open(os.path.join(self.data, "tokens", "admin")) as file:
            self.token = file.read().strip()

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) / 1024

    def round_trips(self, goes_on):
        """Medians of the good client's p50 and p99, microseconds, in runs of 2,000 round trips: those that end while `goes_on()`."""
        runs = []
        while goes_on() or not runs:
            command = [self.spindle, "bench", "rtt", "--count", "2000", "--data", self.data, "--port-base", str(PORT), "--json"]
            answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            if goes_on() or not runs:
                runs.append((answer["p50_us"], answer["p99_us"]))
            purge = [self.spindle, "queue", "purge", "bench", "--yes", "--data", self.data, "--port-base", str(PORT)]
            subprocess.run(purge, check=True, capture_output=True)
        middle = len(runs) // 2
        return sorted(run[0] for run in runs)[middle], sorted(run[1] for run in runs)[middle]


def for_seconds(seconds):
    end = time.time() + seconds
    return lambda: time.time() < end


class Held(Exception):
    """What should have been cut was not."""


def beside(broker, name, work):
    """Does `work` while the good client goes on; prints a line."""
    before = broker.resident()
    result = {}
    thread = threading.Thread(target=lambda: result.update(work()))
    thread.start()
    p50, p99 = broker.round_trips(thread.is_alive)
    thread.join()
    if broker.process.poll() is not None or not result:
        sys.exit(f"{name}: failed; see the broker's log")
    details = ", ".join(f"{value} {key}" for key, value in result.items())
    print(f"{name}: good client p50 {p50} µs, p99 {p99} µs; resident {before:.0f} → {broker.resident():.0f} MB; {details}", flush=True)


def answers(connection):
    """Reads until the broker cuts the connection, or says nothing more; how many frames came."""
    count, rest = 0, b""
    connection.settimeout(0.5)
    try:
        while data := connection.recv(1 << 18):
            rest += data
            at = 0
            while len(rest) - at >= 4 and len(rest) - at >= (length := int.from_bytes(rest[at : at + 4], "little")):
                at += length
                count += 1
            rest = rest[at:]
    except OSError:
        pass
    return count


def bad_frames(broker, frames):
    """In a process of its own, so that the good client has this one for itself."""

    def work():
        command = [sys.executable, os.path.abspath(__file__), broker.spindle, broker.folder, "--send", str(frames)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return work


# Cuts the connection, unless it is taken for the rest of a frame that announced more than came.
LAST = b"GET / HTTP/1.1\r\n\r\n"


def send_bad_frames(folder, frames):
    with open(os.path.join(folder, "data", "tokens", "admin")) as file:
        hello = greeting(file.read().strip())
    with open(os.path.join(VECTORS, "rejected.json")) as file:
        vectors = json.load(file)
    refused = [bytes.fromhex(v["hex"]) for v in vectors if v["blastRadius"] != "connection" and len(v["hex"]) < 4000]
    fatal = [bytes.fromhex(v["hex"]) for v in vectors if v["blastRadius"] == "connection" and len(v["hex"]) < 4000]
    source = random.Random(1)
    sent = connections = answered = 0
    while sent < frames:
        parts = []
        if source.random() < 0.9:
            parts.append(hello)
            parts += source.choices(refused, k=500)
        end = bytearray(source.choice(fatal if source.random() < 0.5 else refused))
        for _ in range(source.randrange(4)):
            end[source.randrange(len(end))] ^= 1 << source.randrange(8)
        parts += [bytes(end), LAST]
        sent += len(parts)
        connections += 1
        with connect() as connection:
            sender = threading.Thread(target=lambda: try_to_send(connection, b"".join(parts)))
            sender.start()
            answered += answers(connection)
            sender.join()
    print(json.dumps({"bad frames": sent, "connections": connections, "answers": answered}))


def try_to_send(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        pass  # cut in the middle


def slow_senders(count):
    """Each sends a byte of a HELLO a second; all must be cut before they are through."""

    def work():
        hello = greeting("x" * 40)
        began, open_, longest, refused = {}, {}, 0.0, 0
        for _ in range(count):
            try:
                connection = connect()
            except OSError:
                refused += 1
                continue
            connection.setblocking(False)
            open_[connection.fileno()] = connection
            began[connection.fileno()] = time.time()
        poll = select.epoll()
        for number in open_:
            poll.register(number, select.EPOLLIN | select.EPOLLRDHUP)
        at, deadline = 0, time.time() + 60
        while open_ and time.time() < deadline:
            for connection in open_.values():
                try:
                    connection.send(hello[at : at + 1])
                except OSError:
                    pass
            at += 1
            end = time.time() + 1
            while open_ and time.time() < end:
                for number, _ in poll.poll(max(0.0, end - time.time())):
                    if drain_now(open_[number]):
                        longest = max(longest, time.time() - began[number])
                        poll.unregister(number)
                        open_.pop(number).close()
        left = len(open_)
        for connection in open_.values():
            connection.close()
        if left:
            sys.exit(f"{left} slow senders were not cut")
        return {"cut": count - refused, "refused at once": refused, "s at most": round(longest, 1)}

    return work


def drain_now(connection):
    """Reads what is there; whether the connection is over."""
    try:
        while data := connection.recv(1 << 16):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def deaf_clients(broker, count):
    """Each asks for much, reads nothing and says nothing more; all must be cut. It is the heartbeat that cuts them: what they asked for
    fits what the system keeps for a connection. Output that stalls is a test of SpindleBrokerTests."""

    def work():
        stats = wire.frame("STATS", "request", wire.body("STATS", "request", {"pattern": "*", "after": "", "max": 1000})).data
        open_, poll = {}, select.epoll()
        for _ in range(count):
            connection = connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            try:
                connection.send(greeting(broker.token) + stats * 400)
            except OSError:
                pass
            open_[connection.fileno()] = connection
            # Not for what can be read: for the end of it.
            poll.register(connection.fileno(), select.EPOLLRDHUP)
        began = time.time()
        while open_ and time.time() < began + 120:
            for number, _ in poll.poll(1.0):
                poll.unregister(number)
                open_.pop(number).close()
        if open_:
            raise Held(f"{len(open_)} clients that never read were not cut")
        return {"cut": count, "s at most": round(time.time() - began, 1)}

    return work


# Storms: clients that are let in, have every right, and ask for more than their share. A storm is a function of the broker and of `is_over`:
# it prepares what it needs, repeats its load until `is_over()`, and returns what it did. Its name in STORMS is printed. It runs in a
# process of its own; the good client sends one PING after the other from before the storm's first request to its end.


class Client:
    """A client that pipelines what it likes and reads what comes."""

    def __init__(self, broker):
        self.socket = connect()
        self.rest = b""
        self.socket.sendall(greeting(broker.token))
        self.read(2)

    def send(self, opcode, meaning, count=1):
        """`count` requests of one kind in one piece; their bytes."""
        data = wire.frame(opcode, "request", wire.body(opcode, "request", meaning)).data * count
        self.socket.sendall(data)
        return len(data)

    def read(self, count):
        """Reads so many frames; how many were errors. The broker's PINGs do not count."""
        errors = 0
        while count:
            while len(self.rest) < 12 or len(self.rest) < int.from_bytes(self.rest[:4], "little"):
                data = self.socket.recv(1 << 18)
                if not data:
                    sys.exit("a client of a storm was cut")
                self.rest += data
            length = int.from_bytes(self.rest[:4], "little")
            flags = self.rest[7]
            self.rest = self.rest[length:]
            if flags & wire.FLAGS["reply"]:
                count -= 1
                errors += flags == wire.FLAGS["error"]
        return errors

    def expect(self, count):
        """Reads so many frames, none of which may be an error."""
        if self.read(count):
            sys.exit("a storm's requests were refused: it is none")

    def close(self):
        self.socket.close()


def declare(client, queue, policy=None):
    client.send("DECLARE", {"queue": queue, "policy": policy or {}})
    client.expect(1)


def browses(broker, is_over):
    """36 KB of BROWSE at a time, with 32 conditions that nearly hold, over 20,000 messages."""
    client = Client(broker)
    declare(client, "browsed")
    message = {"bodyText": "x", "headers": [{"name": "part", "value": "a" * 1000}]}
    for _ in range(20):
        client.send("PUBLISH", {"producerId": "0x0", "firstSequence": 0, "queue": "browsed", "records": [message] * 1000})
        client.expect(1)
    conditions = [{"name": "part", "text": "a" * 254 + "b"}] * 32
    asked = {"queue": "browsed", "after": "0x0", "messagesMax": 1000, "bytesMax": 1 << 20, "parts": [], "filter": {"headersContaining": conditions}}
    done, sent = 0, 0
    while not is_over():
        sent += client.send("BROWSE", asked, 4)
        client.expect(4)
        done += 4
    client.close()
    return {"BROWSEs": done, "bytes sent": sent}


def figures(broker, is_over):
    """42 KB of pipelined STATS over 1,000 queues at a time."""
    client = Client(broker)
    for number in range(1000):
        declare(client, f"figure-{number}", {"deadLetterQueue": ""})
    asked = {"pattern": "figure-*", "after": "", "max": 1000}
    done = 0
    while not is_over():
        # In two threads: who writes so much without reading is not served.
        count = 42_000 // 33
        sender = threading.Thread(target=lambda: client.send("STATS", asked, count))
        sender.start()
        client.expect(count)
        sender.join()
        done += count
    client.close()
    return {"STATS": done}


def ghosts(broker, is_over):
    """Connections of 1,000 LEASEs with a long wait each, that are closed at once."""
    declare(first := Client(broker), "ghosts")
    first.close()
    gone = 0
    while not is_over():
        client = Client(broker)
        client.send("LEASE", {"queue": "ghosts", "messagesMax": 1, "bytesMax": 1 << 20, "leaseMs": 0, "waitMs": 3_600_000}, 1000)
        client.send("PING", {})
        client.read(1)
        client.close()
        gone += 1000
    return {"LEASEs left waiting": gone}


def awaits(broker, is_over):
    """As many AWAITs as one principal gets."""
    client = Client(broker)
    declare(client, "awaited", {"resultRetentionMs": 3_600_000})
    client.send("PUBLISH", {"producerId": "0x0", "firstSequence": 0, "queue": "awaited", "records": [{"bodyText": "x"}]})
    client.read(1)
    client.send("BROWSE", {"queue": "awaited", "after": "0x0", "messagesMax": 1, "bytesMax": 0, "parts": [], "filter": {}})
    while len(client.rest) < 12 or len(client.rest) < int.from_bytes(client.rest[:4], "little"):
        client.rest += client.socket.recv(1 << 16)
    id = f"0x{int.from_bytes(client.rest[24:32], 'little'):x}"
    client.read(1)
    asked = {"queue": "awaited", "ids": [id], "waitMs": 3_600_000}
    clients, refused, taken = [], 0, 0
    while not is_over():
        clients.append(Client(broker))
        for _ in range(8):
            clients[-1].send("AWAIT", asked, 1000)
            taken += 1000
        clients[-1].send("PING", {})
        # Those that are refused are answered; the PING comes after them.
        refused += drain_until_ping(clients[-1])
    for other in clients + [client]:
        other.close()
    return {"AWAITs asked for": taken, "refused": refused}


def drain_until_ping(client):
    refused = 0
    while True:
        while len(client.rest) < 12 or len(client.rest) < int.from_bytes(client.rest[:4], "little"):
            client.rest += client.socket.recv(1 << 18)
        opcode, flags = int.from_bytes(client.rest[4:6], "little"), client.rest[7]
        client.rest = client.rest[int.from_bytes(client.rest[:4], "little") :]
        if opcode == wire.OPCODES["PING"] and flags & wire.FLAGS["reply"]:
            return refused
        refused += flags == wire.FLAGS["error"]


def mutes(broker, is_over):
    """500 sockets at a time that are opened and say nothing."""
    opened = 0
    while not is_over():
        sockets = []
        for _ in range(500):
            try:
                sockets.append(connect())
            except OSError:
                break
        opened += len(sockets)
        time.sleep(1)
        for connection in sockets:
            connection.close()
    return {"mute sockets": opened}


def silents(broker, is_over):
    """170 subscribers at a time that ask for 20 MB of events from the beginning, and never read."""
    client = Client(broker)
    event = {"bodyText": "x" * 100_000}
    for _ in range(20):
        client.send("TOPIC_PUBLISH", {"producerId": "0x0", "firstSequence": 0, "topic": "silent", "records": [event] * 10})
        client.expect(1)
    asked = {"subscriptionId": 1, "pattern": "silent", "from": "earliest", "credit": 1000}
    subscribe = wire.frame("TOPIC_SUBSCRIBE", "request", wire.body("TOPIC_SUBSCRIBE", "request", asked)).data
    begun = 0
    sockets = []
    while not is_over():
        for connection in sockets:
            connection.close()
        sockets = [connect() for _ in range(170)]
        for connection in sockets:
            connection.sendall(greeting(broker.token) + subscribe)
        begun += len(sockets)
        client.send("PING", {})
        client.read(1)
        time.sleep(4)
    client.close()
    return {"silent subscribers": begun}


STORMS = {
    "BROWSEs with 32 conditions": browses,
    "pipelined STATS": figures,
    "LEASEs of closed connections": ghosts,
    "AWAITs without end": awaits,
    "mute sockets": mutes,
    "silent subscribers": silents,
}


def beside_storm(broker, name, storm, seconds):
    before = broker.resident()
    begins, results = multiprocessing.Event(), multiprocessing.Queue()
    process = multiprocessing.Process(target=run_storm, args=(broker, storm, seconds, begins, results))
    process.start()
    good = Client(broker)
    alone = pings(good, for_seconds(1))
    begins.wait()
    meanwhile = pings(good, process.is_alive)
    process.join()
    good.close()
    if broker.process.poll() is not None or process.exitcode != 0:
        sys.exit(f"{name}: failed; see the broker's log")
    details = ", ".join(f"{value} {key}" for key, value in results.get().items())
    print(f"{name}: good client {meanwhile} (before: {alone}); resident {before:.0f} → {broker.resident():.0f} MB; {details}", flush=True)


def run_storm(broker, storm, seconds, begins, results):
    end = []

    def is_over():
        if not end:
            begins.set()
            end.append(time.time() + seconds)
        return time.time() > end[0]

    results.put(storm(broker, is_over))


def pings(client, goes_on):
    """One PING after the other: what their round trips took, as text."""
    frame = wire.frame("PING", "request", wire.Fields()).data
    took = []
    while goes_on() or not took:
        began = time.perf_counter()
        client.socket.sendall(frame)
        client.read(1)
        took.append((time.perf_counter() - began) * 1e6)
    took.sort()
    return f"p50 {took[len(took) // 2]:.0f} µs, p99 {took[len(took) * 99 // 100]:.0f} µs, longest {took[-1]:.0f} µs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spindle")
    parser.add_argument("workdir")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--slow", type=int, default=5_000)
    parser.add_argument("--deaf", type=int, default=1_000)
    parser.add_argument("--storm-seconds", type=int, default=10)
    parser.add_argument("--only")
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        return send_bad_frames(options.workdir, options.send)
    shutil.rmtree(options.workdir, ignore_errors=True)
    os.makedirs(options.workdir)
    broker = Broker(options.spindle, options.workdir)
    try:
        if options.only is None:
            broker.round_trips(for_seconds(2))
            p50, p99 = broker.round_trips(for_seconds(8))
            print(f"alone: good client p50 {p50} µs, p99 {p99} µs; resident {broker.resident():.0f} MB", flush=True)
            for _ in range(2):  # the second time shows what stays of the first
                beside(broker, "bad frames", bad_frames(broker, options.frames // 2))
            beside(broker, "slow senders", slow_senders(options.slow))
            beside(broker, "clients that never read", deaf_clients(broker, options.deaf))
        for name, storm in STORMS.items():
            if options.only in (None, name):
                beside_storm(broker, name, storm, options.storm_seconds)
        p50, p99 = broker.round_trips(for_seconds(5 if options.only is None else 0))
        print(f"afterwards: good client p50 {p50} µs, p99 {p99} µs; resident {broker.resident():.0f} MB")
    finally:
        broker.process.terminate()
        broker.process.wait()


if __name__ == "__main__":
    main()
