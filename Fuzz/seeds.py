#!/usr/bin/env python3
"""Writes the first corpus of the targets that read frames or records, out of the protocol's vectors: seeds.py FOLDER.

FOLDER/frames, FOLDER/record and FOLDER/session get a file for each vector. The other targets begin with seeds of their own
(`FuzzTarget.seeds`) or with nothing.
"""
import json
import pathlib
import struct
import sys

vectors = pathlib.Path(__file__).resolve().parent.parent / "protocol" / "vectors"
folder = pathlib.Path(sys.argv[1])


def load(name):
    return [bytes.fromhex(vector["hex"].replace(" ", "")) for vector in json.loads((vectors / f"{name}.json").read_text())]


def save(target, index, data):
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / f"vector-{index}").write_bytes(data)


files = sorted(path.stem for path in vectors.glob("*.json"))
frames = [frame for name in files if name != "records" for frame in load(name)]
for index, frame in enumerate(frames):
    # The first byte picks the frame cap; see Core/FramesTarget.swift.
    save("frames", index, b"\0" + frame)
    if len(frame) < 12 or frame[7] != 0 or len(frame) > 12 + 255:
        continue
    # A step of a session: a raw frame of the first client, then a turn; see Core/SessionTarget.swift.
    opcode = struct.unpack_from("<H", frame, 4)[0]
    save("session", index, bytes([1, 0, opcode & 0xFF, 0x40, len(frame) - 12]) + frame[12:] + bytes([31]))
for index, record in enumerate(load("records")):
    save("record", index, b"\0" + record)
