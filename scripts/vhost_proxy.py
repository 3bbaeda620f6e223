"""Stands between user-mode-linux and virtiofsd, and tells the device's tag.

QEMU answers what is in the device's configuration by itself; user-mode-linux asks
the daemon, and Debian 12's virtiofsd does not know it. All other messages of
vhost-user are passed on, with their descriptors. Content does not come this way:
it is in the guest's memory.
"""

import os
import socket
import struct
import threading

GET_PROTOCOL_FEATURES = 15
SET_PROTOCOL_FEATURES = 16
GET_CONFIG = 24
FEATURE_CONFIG = 1 << 9
FLAG_REPLY = 4
HEAD = struct.Struct("<III")  # request, flags, size
CONFIG_HEAD = struct.Struct("<III")  # offset, size, flags
TAG_BYTES = 36
REQUEST_QUEUES = 1


def serve(path, daemon_path, tag):
    """At `path`, for one machine, until it ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    threading.Thread(target=accept, args=(listener, daemon_path, tag),
                     daemon=True).start()


def accept(listener, daemon_path, tag):
    with listener:
        machine, _ = listener.accept()
    daemon = socket.socket(socket.AF_UNIX)
    daemon.connect(str(daemon_path))
    threading.Thread(target=replies, args=(daemon, machine),
                     daemon=True).start()
    requests(machine, daemon, tag)


def receive(source):
    head, descriptors, _, _ = socket.recv_fds(source, HEAD.size, 8)
    if len(head) < HEAD.size:
        return None
    request, flags, size = HEAD.unpack(head)
    payload = b""
    while len(payload) < size:
        part = source.recv(size - len(payload))
        if not part:
            return None
        payload += part
    return request, flags, payload, descriptors


def send(target, request, flags, payload, descriptors=()):
    socket.send_fds(target, [HEAD.pack(request, flags, len(payload)) + payload],
                    descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def requests(machine, daemon, tag):
    while message := receive(machine):
        request, flags, payload, descriptors = message
        if request == GET_CONFIG:
            send(machine, request, 1 | FLAG_REPLY, with_tag(payload, tag))
            continue
        if request == SET_PROTOCOL_FEATURES:
            features = struct.unpack("<Q", payload)[0] & ~FEATURE_CONFIG
            payload = struct.pack("<Q", features)
        send(daemon, request, flags, payload, descriptors)
    daemon.shutdown(socket.SHUT_RDWR)


def replies(daemon, machine):
    while message := receive(daemon):
        request, flags, payload, descriptors = message
        if request == GET_PROTOCOL_FEATURES:
            features = struct.unpack("<Q", payload)[0] | FEATURE_CONFIG
            payload = struct.pack("<Q", features)
        send(machine, request, flags, payload, descriptors)


def with_tag(payload, tag):
    configuration = (tag.encode().ljust(TAG_BYTES, b"\0") +
                     struct.pack("<I", REQUEST_QUEUES))
    offset, size, _ = CONFIG_HEAD.unpack(payload[:CONFIG_HEAD.size])
    content = configuration[offset:offset + size].ljust(size, b"\0")
    return payload[:CONFIG_HEAD.size] + content
