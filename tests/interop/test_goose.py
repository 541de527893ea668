# SPDX-License-Identifier: Apache-2.0
"""goose's own command and whimbrel, by turns."""

from layouts import Goose
from turns import Peer, Turns


class GoosePeer(Peer):
    program = "goose"
    layout = Goose()

    def words(self, *words):
        address = self.db.url.split("@")[-1]
        driver, place = {
            "sqlite": ("sqlite3", str(self.project.cwd / "app.db")),
            "postgres": ("postgres", f"{self.db.url}?sslmode=disable"),
            "mariadb": ("mysql", f"root@tcp({address.split('/')[0]})/{self.db.name}?parseTime=true"),
        }[self.db.engine]
        return ["-env", "none", "-dir", "migrations", driver, place, *words]

    def up_words(self):
        return self.words("up")

    def down(self):
        self.ok(*self.words("down"))

    def is_content_with(self, n):
        code, out = self.call(*self.words("version"))
        return code == 0 and out.strip().endswith(f"version {n}")


class TestTurns(Turns):
    peer_class = GoosePeer
