# SPDX-License-Identifier: Apache-2.0
"""graphile-migrate's own command and whimbrel, by turns. It has no way back."""

import re

from layouts import Graphile
from turns import Peer, Turns


class GraphilePeer(Peer):
    program = "graphile-migrate"
    layout = Graphile()
    engines = ("postgres",)

    def prepare(self):
        text = f'{{"connectionString": "{self.db.url}", "shadowConnectionString": "{self.db.url}_shadow"}}\n'
        (self.project.cwd / "gm.json").write_text(text)
        self.project.write("migrations/current.sql", "")

    def up_words(self):
        return ["migrate", "--config", "gm.json"]

    def is_content_with(self, n):
        _, out = self.call("status", "--config", "gm.json")
        files = sorted((self.project.cwd / "migrations/committed").iterdir())
        return re.findall(r"^  (\d+)\.sql$", out, re.M) == [path.name[:6] for path in files[n:]]


class TestTurns(Turns):
    peer_class = GraphilePeer
