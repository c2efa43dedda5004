#!/usr/bin/env python3
"""How fast files come in: by parts, by tus, and a second time; beside nginx taking the same bytes by PUT, and one pass of SHA-256 and MD5.

    Benchmarks/files.py SPINDLE WORKDIR [--bytes 2147483648] [--rounds 3]

SPINDLE: the release executable. WORKDIR: a directory on the disk that matters; it is deleted and recreated, and needs six times the bytes. Rounds take turns, so
that a machine that is busy for a while is so for all. Needs curl and nginx with its dav module (Debian: nginx-light).
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

PART = 10 << 20


def free_base():
    """Four ports in a row, and one more."""
    for base in range(21000, 30000, 8):
        try:
            for port in range(base, base + 6):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise SystemExit("no free ports")


def start_nginx(workdir, port):
    os.makedirs(f"{workdir}/nginx/files")
    conf = f"""
daemon off; pid {workdir}/nginx/pid; error_log {workdir}/nginx/error;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 2;
events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {workdir}/nginx/body; client_body_buffer_size 1m;
  server {{ listen 127.0.0.1:{port}; location / {{ root {workdir}/nginx/files; dav_methods PUT; }} }}
}}
"""
    with open(f"{workdir}/nginx/conf", "w") as file:
        file.write(conf)
    modules = "load_module modules/ngx_http_dav_module.so;" if os.path.exists("/usr/lib/nginx/modules/ngx_http_dav_module.so") else ""
    return subprocess.Popen(["nginx", "-p", workdir, "-c", f"{workdir}/nginx/conf", "-g", modules])


class Server:
    def __init__(self, base, data):
        self.url = f"http://127.0.0.1:{base + 2}"
        with open(f"{data}/tokens/admin") as file:
            self.token = file.read().strip()

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=json.dumps(body).encode() if body is not None else None)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def curl(self, *arguments):
        subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", "-H", f"Authorization: Bearer {self.token}", *arguments], check=True)

    def wait(self, file, *statuses):
        while True:
            found = self.call("GET", f"/api/files/{file}")
            if found["status"] in statuses:
                return found
            time.sleep(0.01)


def seconds(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + text[19:-1])


def by_parts(server, routing, name, parts, size):
    began = time.monotonic()
    upload = server.call("POST", "/api/upload/parts", {"routingId": routing, "filename": name, "size": size})["id"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: server.curl("-T", part[1], "-X", "PUT", f"{server.url}/api/upload/{upload}/parts/{part[0]}"), enumerate(parts)))
    sent = time.monotonic() - began
    server.wait(upload, "staged", "scanning", "ingesting", "committed")
    staged = time.monotonic() - began
    found = server.wait(upload, "committed")
    return sent, staged - sent, seconds(found["committedAt"]) - seconds(found["stagedAt"])


def by_tus(server, routing, name, path, size):
    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    began = time.monotonic()
    request = urllib.request.Request(server.url + "/api/upload", method="POST")
    for field, value in [("Authorization", f"Bearer {server.token}"), ("Tus-Resumable", "1.0.0"), ("Upload-Length", str(size)),
                         ("Upload-Metadata", f"routingId {encoded(routing)},filename {encoded(name)}")]:
        request.add_header(field, value)
    place = urllib.request.urlopen(request).headers["Location"]
    server.curl("-T", path, "-X", "PATCH", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Offset: 0", "-H", "Expect:",
                "-H", "Content-Type: application/offset+octet-stream", server.url + place)
    sent = time.monotonic() - began
    server.wait(place.rsplit("/", 1)[1], "committed")
    return sent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spindle")
    parser.add_argument("workdir")
    parser.add_argument("--bytes", type=int, default=2 << 30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shutil.rmtree(options.workdir, ignore_errors=True)
    os.makedirs(options.workdir)
    workdir, data = os.path.abspath(options.workdir), os.path.abspath(options.workdir) + "/data"
    base = free_base()
    nginx = start_nginx(workdir, base + 5)
    up = subprocess.Popen([options.spindle, "up", "--data", data, "--port-base", str(base), "--without", "addin"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{base + 2}/readyz")
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("the cluster does not start")
                time.sleep(0.1)
        server = Server(base, data)
        routing = server.call("POST", "/api/routings", {"name": "files"})["id"]
        print(f"{'round':>5} {'nginx':>9} {'parts':>9} {'tus':>9} {'digests':>9} {'pass':>9} {'ingest':>9} {'again':>9}   MB/s but for digests (s after the last byte)")
        for turn in range(options.rounds):
            path, parts = f"{workdir}/source", []
            with open(path, "wb") as source:
                for number in range(0, options.bytes, PART):
                    piece = os.urandom(min(PART, options.bytes - number))
                    source.write(piece)
                    parts.append(f"{workdir}/part-{number // PART}")
                    with open(parts[-1], "wb") as part:
                        part.write(piece)
            os.sync()
            began = time.monotonic()
            subprocess.run(["curl", "-sS", "--fail", "-T", path, f"http://127.0.0.1:{base + 5}/{turn}"], check=True)
            nginx_time = time.monotonic() - began
            os.remove(f"{workdir}/nginx/files/{turn}")
            sent, digests, ingest = by_parts(server, routing, f"parts-{turn}", parts, options.bytes)
            began = time.monotonic()
            with open(path, "rb") as source:
                sha256, md5 = hashlib.sha256(), hashlib.md5()
                while piece := source.read(1 << 20):
                    sha256.update(piece)
                    md5.update(piece)
            one_pass = time.monotonic() - began
            began = time.monotonic()
            subprocess.run([options.spindle, "file", "put", path, "--routing", routing, "--as", f"again/{turn}", "--no-wait", "--data", data,
                            "--port-base", str(base)], check=True, stdout=subprocess.DEVNULL)
            again = time.monotonic() - began
            with open(path, "r+b") as source:
                # Other bytes, so that tus has something to store.
                source.write(os.urandom(16))
            tus = by_tus(server, routing, f"tus-{turn}", path, options.bytes)
            for part in parts:
                os.remove(part)
            rates = [options.bytes / 1e6 / value for value in (nginx_time, sent, tus)]
            more = [options.bytes / 1e6 / value for value in (one_pass, ingest, again)]
            print(f"{turn + 1:5} {rates[0]:9.0f} {rates[1]:9.0f} {rates[2]:9.0f} {digests:9.2f} {more[0]:9.0f} {more[1]:9.0f} {more[2]:9.0f}", flush=True)
        with open(f"{data}/run/cluster.json") as file:
            processes = {process["name"]: process["pid"] for process in json.load(file)["processes"]}
        for name in ("web", "files-1"):
            with open(f"/proc/{processes[name]}/status") as file:
                print(f"{name}: the most memory that it had: " + next(line for line in file if line.startswith("VmHWM")).split(":")[1].strip())
    finally:
        subprocess.run([options.spindle, "down", "--data", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        up.wait(60)
        nginx.terminate()
        nginx.wait(20)
        shutil.rmtree(options.workdir, ignore_errors=True)


if __name__ == "__main__":
    main()
