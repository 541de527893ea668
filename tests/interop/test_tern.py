# SPDX-License-Identifier: Apache-2.0
"""tern's own command and whimbrel, by turns."""

from layouts import Tern
from turns import Peer, Turns


class TernPeer(Peer):
    program = "tern"
    layout = Tern()
    has_lock = True
    engines = ("postgres",)

    def words(self, *words):
        return [*words, "--conn-string", self.db.url, "-m", "migrations"]

    def up_words(self):
        return self.words("migrate")

    def down(self):
        self.ok(*self.words("migrate", "--destination", "-1"))

    def is_content_with(self, n):
        code, out = self.call(*self.words("status"))
        return code == 0 and f"version:  {n} of " in out


class TestTurns(Turns):
    peer_class = TernPeer
