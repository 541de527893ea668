# SPDX-License-Identifier: Apache-2.0
"""dbmate's own command and whimbrel, by turns."""

from layouts import Dbmate
from turns import Peer, Turns


class DbmatePeer(Peer):
    program = "dbmate"
    layout = Dbmate()

    def words(self, *words):
        url = {
            "sqlite": f"sqlite:{self.project.cwd / 'app.db'}",
            "postgres": f"{self.db.url}?sslmode=disable",
            "mariadb": self.db.url.replace("mariadb://", "mysql://"),
        }[self.db.engine]
        return ["--url", url, "--no-dump-schema", *words]

    def up_words(self):
        return self.words("migrate")

    def down(self):
        self.ok(*self.words("rollback"))

    def is_content_with(self, n):
        code, out = self.call(*self.words("status"))
        return code == 0 and f"Applied: {n}\n" in out


class TestTurns(Turns):
    peer_class = DbmatePeer
