"""Sockets: of every family, those of others, and those that it has."""

from __future__ import annotations

from tests.runtimes.escapes.attempts import SECCOMP, Attempt

# The kernel knows of more families than this; where it has not one of these, it says so only to whom it listens to.
ANY = "ok EAFNOSUPPORT ESOCKTNOSUPPORT EPROTONOSUPPORT"
RAW = ("seccomp", "no_capabilities")
TCP = ("seccomp", "network_namespace", "landlock")
ABSTRACT = TCP


def make_socket(family: int, kind: int, protocol: int = 0) -> Attempt:
    return Attempt(f"socket.socket({family}, {kind}, {protocol})", "EACCES", SECCOMP, through=ANY)


ATTEMPTS = {
    "IPv4": make_socket(2, 1),
    "IPv4 by datagram": make_socket(2, 2),
    "IPv6": make_socket(10, 1),
    "IPv6 by datagram": make_socket(10, 2),
    "Unix": make_socket(1, 1),
    "Unix by datagram": make_socket(1, 2),
    "Unix by packet": make_socket(1, 5),
    "netlink, of routes": make_socket(16, 3, 0),
    "netlink, of what the kernel announces": make_socket(16, 3, 15),
    "netlink, of ciphers": make_socket(16, 3, 21),
    "ciphers of the kernel": make_socket(38, 5),
    "the machine around this one": make_socket(40, 1),
    "Bluetooth": make_socket(31, 3, 1),
    "CAN": make_socket(29, 3, 1),
    "TIPC": make_socket(30, 5),
    "Appletalk": make_socket(5, 2),
    "RDS": make_socket(21, 5),
    "ATM": make_socket(8, 2),
    "MCTP": make_socket(45, 2),
    "phones": make_socket(35, 2),
    "near field": make_socket(39, 5),
    "MPTCP": make_socket(2, 1, 262),
    "SCTP": make_socket(2, 5, 132),
    "every family that there may be": Attempt(
        "for family in range(64):\n"
        "    try: socket.socket(family, 1)\n"
        "    except PermissionError: continue\n"
        "    except OSError: pass\n"
        "    break\n"
        "else: raise PermissionError(13, '')",
        "EACCES",
        SECCOMP,
    ),
    "raw packets": Attempt("socket.socket(17, 3, 0)", "EACCES", RAW),
    "raw IP": Attempt("socket.socket(2, 3, 1)", "EACCES", RAW),
    "packets by shared memory": Attempt("socket.socket(44, 3, 0)", "EACCES", SECCOMP, RAW[1:], through=ANY),
    "by a number instead of a name": Attempt("call(NUMBERS['socket'], 2, 1, 0)", "EACCES", SECCOMP),
    "by the calls of another machine": Attempt(
        "call(0x40000000 + NUMBERS['socket'], 2, 1, 0)", "ENOSYS", (), through="ENOSYS"
    ),
    # Reaching others
    "a server of this machine": Attempt("socket.create_connection(('127.0.0.1', TCP), 2)", "EACCES", TCP),
    "a server by IPv6": Attempt(
        "socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', TCP))", "EACCES", TCP
    ),
    "a server by datagram": Attempt(
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))", "EACCES", TCP[:2]
    ),
    "being a server": Attempt("socket.create_server(('127.0.0.1', 0))", "EACCES", ("seccomp", "landlock")),
    "a name": Attempt(
        "try: socket.gethostbyname('example.com')\n"
        "except socket.gaierror: socket.socket(type=socket.SOCK_DGRAM)",
        "EACCES",
        SECCOMP,
    ),
    "a socket by its path": Attempt("socket.socket(1).connect(PATH)", "EACCES", SECCOMP),
    "a socket by its name": Attempt("socket.socket(1).connect(f'\\0{ABSTRACT}')", "EACCES", ABSTRACT),
    "datagrams to a path": Attempt("socket.socket(1, 2).sendto(b'x', DATAGRAMS)", "EACCES", SECCOMP),
    "a socket of its own with a path": Attempt(
        "socket.socket(1).bind(f'{SCRATCH}/socket')", "EACCES", ("seccomp", "landlock")
    ),
    # What a pair can be made to do
    "datagrams to a path through one of a pair": Attempt(
        "a, b = socket.socketpair(1, 2); a.sendto(b'x', DATAGRAMS)", "EACCES", SECCOMP
    ),
    "the same by message": Attempt(
        "a, b = socket.socketpair(1, 2); a.sendmsg([b'x'], [], 0, DATAGRAMS)", "EACCES", SECCOMP
    ),
    "a pair of packets": Attempt("socket.socketpair(1, 5)", "EACCES", SECCOMP),
    "a pair of another family": Attempt(
        "socket.socketpair(30, 5)", "EACCES", SECCOMP, through="EAFNOSUPPORT ok"
    ),
    "a pair made to be connected elsewhere": Attempt(
        "a, b = socket.socketpair(); a.connect(PATH)", "EACCES", SECCOMP, through="EISCONN"
    ),
    "a pair made to listen": Attempt(
        "a, b = socket.socketpair(); a.listen()", "EACCES", SECCOMP, through="EINVAL"
    ),
    "a pair made to accept": Attempt(
        "a, b = socket.socketpair(); a.accept()", "EACCES", SECCOMP, through="EINVAL"
    ),
    "out of band": Attempt("a, b = socket.socketpair(); a.send(b'x', socket.MSG_OOB)", "EPERM", SECCOMP),
    "out of band, by message": Attempt(
        "a, b = socket.socketpair(); a.sendmsg([b'x'], [], socket.MSG_OOB)", "EPERM", SECCOMP
    ),
    "out of band, taken": Attempt(
        "a, b = socket.socketpair(); b.recv(1, socket.MSG_OOB)", "EPERM", SECCOMP, through="EINVAL"
    ),
    "its interfaces": Attempt(
        "assert [name for _, name in socket.if_nameindex()] != ['lo']", "EACCES", ("seccomp", "network_namespace")
    ),
    "signals to the gateway from its socket": Attempt(
        "import fcntl; fcntl.ioctl(3, 0x8901, struct.pack('i', GATEWAY))", "EPERM", SECCOMP
    ),
    "signals to another from a pair": Attempt(
        "import fcntl; a, b = socket.socketpair(); fcntl.fcntl(a, fcntl.F_SETOWN, VICTIM)", "EPERM", SECCOMP
    ),
    "the same by kind of process": Attempt(
        "import fcntl; a, b = socket.socketpair(); fcntl.fcntl(a, 15, struct.pack('ii', 1, VICTIM))",
        "EPERM",
        SECCOMP,
    ),
    "any signal of its choice": Attempt(
        "import fcntl; a, b = socket.socketpair(); fcntl.fcntl(a, 10, 9)", "EPERM", SECCOMP
    ),
}  # fmt: skip
