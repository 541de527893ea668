# SPDX-License-Identifier: Apache-2.0
"""A server is not trusted with more than the database: one that speaks the protocol and asks for a file of ours."""

import contextlib
import socket
import struct
import threading

import pytest


class ThiefOfFiles:
    """Lets anybody in as a MariaDB would, and answers the first query by asking for a file of the client's.

    That is how LOAD DATA LOCAL INFILE works; the server names the file, and nothing but the client keeps it from naming
    another one, or asking when nobody said LOAD DATA.
    """

    CAPABILITIES = 0x00000001 | 0x00000008 | 0x00000080 | 0x00000200 | 0x00008000 | 0x00080000 | 0x00020000 | 0x00010000

    def __init__(self, path):
        self.path = path
        self.stolen = b""
        self.has_asked = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError, EOFError):
                    self.talk(connection)

    @staticmethod
    def read(connection, size):
        data = b""
        while len(data) < size:
            piece = connection.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def packet(self, connection):
        head = self.read(connection, 4)
        return head[3], self.read(connection, int.from_bytes(head[:3], "little"))

    @staticmethod
    def send(connection, number, body):
        connection.sendall(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    def talk(self, connection):
        low, high = self.CAPABILITIES & 0xFFFF, self.CAPABILITIES >> 16
        self.send(
            connection,
            0,
            b"\x0a5.5.5-10.11.6-MariaDB\0" + struct.pack("<I", 7) + b"abcdefgh\0" + struct.pack("<HBHHB", low, 45, 2, high, 21)
            + b"\0" * 10 + b"ijklmnopqrst\0" + b"mysql_native_password\0",
        )
        number, _ = self.packet(connection)
        ok = b"\0\0\0\x02\0\0\0"
        self.send(connection, number + 1, ok)
        while True:
            number, body = self.packet(connection)
            if body[:1] != b"\x03":  # no query
                self.send(connection, number + 1, ok)
                continue
            self.has_asked = True
            self.send(connection, number + 1, b"\xfb" + str(self.path).encode())
            while True:
                number, piece = self.packet(connection)
                if not piece:
                    break
                self.stolen += piece
            self.send(connection, number + 1, ok)

    def close(self):
        self.listener.close()


@pytest.mark.parametrize("command", ["migrate", "status", "doctor"])
def test_a_server_gets_no_file_that_it_asks_for(whimbrel, command):
    secret = whimbrel.write("id_rsa", "the client's own secret\n")
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE t (id int);")
    thief = ThiefOfFiles(secret)
    try:
        result = whimbrel(command, "-d", f"mysql://app@127.0.0.1:{thief.port}/shop?ssl-mode=DISABLED")
        assert result.code in (1, 3), repr(result)
        assert thief.has_asked and thief.stolen == b"", repr(result)
    finally:
        thief.close()
