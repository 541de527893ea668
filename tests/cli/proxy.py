# SPDX-License-Identifier: Apache-2.0
"""A proxy between the program and a real server, which understands where a protocol's messages begin and end.

    with Proxy(database) as proxy:          # or the fixture `proxy`, called with a database
        proxy.delay_s = 0.005               # each way
        whimbrel.ok("migrate", "-d", proxy.url)
        proxy.count().trips                 # waits for an answer; connecting and logging in are counted apart

    proxy.at(17, "rst")                     # instead of the 17th message, of both sides together: reset
    proxy.at(3, "fin", side=CLIENT, when=AFTER)
    proxy.at(9, "stall", side=SERVER)       # until proxy.flow()
    proxy.at(5, process.kill)               # anything that can be called; what came before has been delivered

It speaks PostgreSQL's protocol 3 and the packets of MySQL, without TLS, over TCP and over local sockets.
"""

import collections
import contextlib
import select
import socket
import struct
import threading
import time
import urllib.parse

CLIENT, SERVER = "client", "server"
BEFORE, AFTER = "before", "after"
CONNECT, SESSION = "connect", "session"

CHUNK_BYTES = 1 << 18
HIGH_WATER_BYTES = 4 << 20
DRAIN_SECONDS = 10


class Message:
    """One message: .number of both sides together and .of_side count from 1 over all connections of the proxy."""

    def __init__(self, side, kind, size):
        self.side, self.kind, self.size = side, kind, size
        self.number = self.of_side = self.connection = self.phase = None
        self.payload = b""

    def __repr__(self):
        return f"{self.number} ({self.connection} {self.phase}) {self.side} {self.kind} {self.payload[:200]!r}"


class Framing:
    """Cuts one direction of a connection into messages: feed() gives (message begun or None, bytes, is it its end)."""

    def __init__(self, side, session):
        self.side, self.session = side, session
        self.held = b""
        self.left = 0
        self.message = None

    def feed(self, data):
        if self.held:
            data = self.held + data
            self.held = b""
        at, end = 0, len(data)
        while at < end:
            begun = None
            if self.left == 0:
                header = self.header(data, at)
                if header is None:
                    self.held = data[at:]
                    return
                kind, self.left = header
                begun = self.message = Message(self.side, kind, self.left)
            step = min(self.left, end - at)
            self.left -= step
            yield begun, data[at : at + step], self.left == 0
            at += step


class PostgresFraming(Framing):
    """The session's .phase is CONNECT until the server is first ready for a query."""

    REQUESTS = {80877103: "SSLRequest", 80877104: "GSSENCRequest", 80877102: "CancelRequest"}

    def header(self, data, at):
        if self.side == SERVER and self.session.is_asking_for_encryption:
            self.session.is_asking_for_encryption = False
            if data[at : at + 1] == b"N":
                return "N", 1
            raise RuntimeError("the proxy does not speak TLS: ask for sslmode=disable")
        if self.side == CLIENT and not self.session.is_started:
            if len(data) - at < 8:
                return None
            size, code = struct.unpack_from("!II", data, at)
            name = self.REQUESTS.get(code, "StartupMessage")
            self.session.is_asking_for_encryption = name in ("SSLRequest", "GSSENCRequest")
            self.session.is_started = not self.session.is_asking_for_encryption
            return name, size
        if len(data) - at < 5:
            return None
        kind, size = struct.unpack_from("!cI", data, at)
        return kind.decode("latin-1"), size + 1


class PostgresSession:
    framing = PostgresFraming
    speaks_first = CLIENT

    def __init__(self):
        self.phase = CONNECT
        self.is_started = self.is_asking_for_encryption = self.is_flushed = False

    def begins(self, message):
        """Whether the other side may speak now that this message has come."""
        if message.side == CLIENT:
            self.is_flushed = message.kind == "H"
            return False
        # In the middle of a pipeline answers come while the client is still writing: that is no turn.
        return self.phase == CONNECT or self.is_flushed or message.kind in "ZGW"

    def ends(self, message):
        if message.side == SERVER and message.kind == "Z":
            self.phase = SESSION


class MysqlFraming(Framing):
    COMMANDS = {
        1: "quit", 2: "init-db", 3: "query", 9: "statistics", 12: "kill", 14: "ping", 17: "change-user",
        22: "prepare", 23: "execute", 24: "long-data", 25: "close", 27: "set-option", 31: "reset",
    }  # fmt: skip
    ANSWERS = {0: "ok", 0xFE: "eof", 0xFF: "error"}

    def header(self, data, at):
        if len(data) - at < 4:
            return None
        size = int.from_bytes(data[at : at + 3], "little")
        if size == 0:
            return "data", 4
        if len(data) - at < 5:
            return None
        sequence, first = data[at + 3], data[at + 4]
        if self.side == SERVER:
            return self.ANSWERS.get(first, "data"), size + 4
        is_command = sequence == 0 and self.session.phase == SESSION
        return self.COMMANDS.get(first, "command") if is_command else "data", size + 4


class MysqlSession:
    framing = MysqlFraming
    speaks_first = SERVER

    def __init__(self):
        self.phase = CONNECT

    def begins(self, message):
        return message.side == SERVER

    def ends(self, message):
        if message.side == SERVER and message.kind == "ok" and self.phase == CONNECT:
            self.phase = SESSION


class Count:
    """What went through: .connections, .connect_trips, .trips, .client_messages, .server_messages, .bytes

    A trip is a turn of the client that the server answers. Those until the server is ready are .connect_trips, and
    their messages are in .connect_messages alone.
    """

    def __init__(self):
        self.connections = self.connect_trips = self.trips = 0
        self.connect_messages = self.client_messages = self.server_messages = 0
        self.bytes = 0

    def __repr__(self):
        return f"Count({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


class Rule:
    def __init__(self, number, action, side, when, phase):
        self.number, self.action, self.side, self.when, self.phase = number, action, side, when, phase
        self.message = None  # where it struck
        self.struck = threading.Event()

    def matches(self, message, numbers):
        return (
            self.message is None
            and self.side in (None, message.side)
            and self.phase in (None, message.phase)
            and numbers[self.phase, self.side] == self.number
        )


class Pipe:
    """One direction of a connection."""

    def __init__(self, side, source, sink, framing):
        self.side, self.source, self.sink, self.framing = side, source, sink, framing
        self.queue = collections.deque()  # (when it is due, bytes)
        self.queued_bytes = 0
        self.is_at_end = self.is_closed = False

    def push(self, data, due):
        if data:
            self.queue.append((due, data))
            self.queued_bytes += len(data)

    def write(self, now):
        """Sends what is due, as far as the sink takes it. Whether something due is left."""
        while self.queue and self.queue[0][0] <= now:
            due, data = self.queue[0]
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                return True
            self.queued_bytes -= sent
            if sent < len(data):
                self.queue[0] = (due, memoryview(data)[sent:])
                return True
            self.queue.popleft()
        return False


class Cut(Exception):
    pass


class Connection(threading.Thread):
    """Both directions in one thread, so that a socket is never closed under another thread's feet."""

    def __init__(self, proxy, client, number):
        super().__init__(daemon=True)
        self.proxy, self.client, self.number = proxy, client, number
        self.server = None
        self.session = proxy.session_kind()
        self.is_turn = self.session.speaks_first == CLIENT
        self.is_asked = False
        self.wake_reader, self.wake_writer = socket.socketpair()

    def run(self):
        how = "fin"
        try:
            # What a network would take for the three packets before the first byte.
            time.sleep(self.proxy.delay_s * (2 if self.session.speaks_first == CLIENT else 3))
            self.server = self.proxy.connect()
            for each in (self.client, self.server):
                each.setblocking(False)
            self.carry()
        except Cut as cut:
            how = str(cut)
        except OSError:
            how = "rst"
        except Exception as problem:  # the test has to hear of it
            self.proxy.problems.append(problem)
            how = "rst"
        finally:
            self.close(how)

    def close(self, how):
        for each in (self.client, self.server):
            if each is None:
                continue
            with contextlib.suppress(OSError):
                if how == "rst" and each.family != socket.AF_UNIX:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.close()
        self.wake_reader.close()
        self.wake_writer.close()

    def carry(self):
        ways = [
            Pipe(CLIENT, self.client, self.server, self.session.framing(CLIENT, self.session)),
            Pipe(SERVER, self.server, self.client, self.session.framing(SERVER, self.session)),
        ]
        self.ways = ways
        while not all(way.is_closed for way in ways):
            now = time.monotonic()
            readable, writable, timeout = [self.wake_reader], [], None
            for way in ways:
                if way.write(now):
                    writable.append(way.sink)
                elif way.queue:
                    wait = max(0, way.queue[0][0] - now)
                    timeout = wait if timeout is None else min(timeout, wait)
                elif way.is_at_end and not way.is_closed:
                    way.is_closed = True
                    with contextlib.suppress(OSError):
                        way.sink.shutdown(socket.SHUT_WR)
                if not way.is_at_end and way.queued_bytes < HIGH_WATER_BYTES:
                    readable.append(way.source)
            if all(way.is_closed for way in ways):
                break
            ready, _, _ = select.select(readable, writable, [], timeout)
            if self.wake_reader in ready:
                raise Cut(self.wake_reader.recv(3).decode())
            for way in ways:
                if way.source in ready:
                    self.read(way)

    def read(self, way):
        try:
            data = way.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            way.is_at_end = True
            return
        due = time.monotonic() + self.proxy.delay_s
        out = []
        for begun, piece, is_end in way.framing.feed(data):
            message = way.framing.message
            if len(message.payload) < self.proxy.keep_bytes:
                message.payload = (message.payload + piece)[: self.proxy.keep_bytes]
            if begun:
                self.begin(begun)
                for rule in self.proxy.note(self, begun):
                    self.strike(rule, way, out, due)
            out.append(piece)
            if is_end:
                self.session.ends(message)
                for rule in self.proxy.rules_after(message):
                    self.strike(rule, way, out, due)
        way.push(b"".join(out), due)

    def begin(self, message):
        message.phase = self.session.phase
        message.connection = self.number
        is_their_turn = self.session.begins(message)
        if message.side == CLIENT:
            if self.is_turn:
                self.is_turn, self.is_asked = False, True
            return
        if self.is_asked:
            self.is_asked = False
            self.proxy.note_trip(message)
        if is_their_turn:
            self.is_turn = True

    def strike(self, rule, way, out, due):
        """What came before is delivered first."""
        way.push(b"".join(out), due)
        out.clear()
        self.drain()
        rule.struck.set()
        if callable(rule.action):
            rule.action()
        elif rule.action == "stall":
            self.proxy.flowing.clear()
            self.proxy.flowing.wait()
        else:
            raise Cut(rule.action)

    def drain(self):
        end = time.monotonic() + DRAIN_SECONDS
        for way in self.ways:
            while way.queue and time.monotonic() < end:
                time.sleep(max(0, way.queue[0][0] - time.monotonic()))
                try:
                    if way.write(time.monotonic()):
                        select.select([], [way.sink], [], 0.05)
                except OSError:
                    break

    def cut(self, how):
        with contextlib.suppress(OSError):
            self.wake_writer.send(how.encode())


class Proxy:
    """Listens on a free port, or on the local socket `listen`, for the server behind `database`.

    `keep_bytes` keeps the beginning of each message in .messages. With `target` it goes there and not to where the
    database's server listens: (host, port), or the path of a local socket.
    """

    SESSIONS = {"postgres": PostgresSession, "mariadb": MysqlSession, "mysql": MysqlSession}

    def __init__(self, database, target=None, listen=None, delay_s=0.0, keep_bytes=0):
        self.session_kind = self.SESSIONS[database.engine]
        self.target = target or ("127.0.0.1", database.server.port)
        self.delay_s, self.keep_bytes = delay_s, keep_bytes
        self.lock = threading.RLock()
        self.rules, self.problems, self.connections = [], [], []
        self.flowing = threading.Event()
        self.flowing.set()
        self.is_refusing = False
        self.reset()
        if listen:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(listen))
            self.url = None
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.url = self.with_port(database.url)
        self.listener.listen(128)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def with_port(self, url):
        """The same URL, but by this way."""
        parts = urllib.parse.urlsplit(url)
        user = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{self.port}").geturl()

    def connect(self):
        if isinstance(self.target, tuple):
            server = socket.create_connection(self.target)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return server
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.target))
        return server

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if client.family != socket.AF_UNIX:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                if self.is_refusing:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                    continue
                self.counted.connections += 1
                connection = Connection(self, client, self.counted.connections)
                self.connections.append(connection)
            connection.start()

    # -- what the test says ------------------------------------------------------------------------------------

    def at(self, number, action, side=None, when=BEFORE, phase=None):
        """Lets `action` happen before or after a message: "rst", "fin", "stall", or what can be called.

        The number counts from 1, since the last reset(): among all messages, or those of one side, or of one phase.
        The rule that it gives has .struck, an event, and then .message.
        """
        rule = Rule(number, action, side, when, phase)
        with self.lock:
            self.rules.append(rule)
        return rule

    def refuse(self, is_refusing=True):
        """Resets every connection from now on, until refuse(False)."""
        with self.lock:
            self.is_refusing = is_refusing

    def cut_all(self, how="rst"):
        for connection in list(self.connections):
            connection.cut(how)

    def flow(self):
        self.flowing.set()

    def reset(self):
        """Counts and records anew; forgets the rules."""
        with self.lock:
            self.counted = Count()
            self.messages = []
            self.kinds = []  # (side, kind) of every message
            self.rules = []
            self.numbers = collections.Counter()

    def wait(self, seconds=10):
        """Until every connection has ended, as they do soon after the program."""
        end = time.monotonic() + seconds
        for connection in list(self.connections):
            connection.join(max(0, end - time.monotonic()))
            assert not connection.is_alive(), f"connection {connection.number} has not ended"

    def count(self):
        """What went through until now."""
        assert not self.problems, self.problems
        with self.lock:
            copy = Count()
            vars(copy).update(vars(self.counted))
            return copy

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() would not
        self.listener.close()
        self.flow()
        self.cut_all()
        for connection in self.connections:
            connection.join(DRAIN_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    # -- what the connections say ------------------------------------------------------------------------------

    def note(self, connection, message):
        with self.lock:
            for key in ((None, None), (None, message.side), (message.phase, None), (message.phase, message.side)):
                self.numbers[key] += 1
            message.number = self.numbers[None, None]
            self.kinds.append((message.side, message.kind))
            message.of_side = self.numbers[None, message.side]
            self.counted.bytes += message.size
            if message.phase == CONNECT:
                self.counted.connect_messages += 1
            elif message.side == CLIENT:
                self.counted.client_messages += 1
            else:
                self.counted.server_messages += 1
            if self.keep_bytes:
                self.messages.append(message)
            # One that strikes after its message is chosen now, by the counts of now.
            matching = [rule for rule in self.rules if rule.matches(message, self.numbers)]
            for rule in matching:
                rule.message = message
            return [rule for rule in matching if rule.when == BEFORE]

    def rules_after(self, message):
        if not self.rules:
            return []
        with self.lock:
            return [
                rule
                for rule in self.rules
                if rule.when == AFTER and rule.message is message and not rule.struck.is_set()
            ]

    def note_trip(self, message):
        with self.lock:
            if message.phase == CONNECT:
                self.counted.connect_trips += 1
            else:
                self.counted.trips += 1
