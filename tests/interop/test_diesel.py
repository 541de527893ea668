# SPDX-License-Identifier: Apache-2.0
"""diesel_cli and whimbrel by turns."""

from layouts import Diesel
from turns import Peer, Turns


class DieselCli(Peer):
    program = "diesel"
    layout = Diesel()

    def url(self):
        if self.db.engine == "sqlite":
            return str(self.db.path)
        return self.db.url.replace("mariadb://", "mysql://")

    def words(self, *words):
        return ["migration", *words, "--database-url", self.url()]

    def prepare(self):
        self.project.write("diesel.toml", "")
        (self.project.cwd / "migrations").mkdir()

    def up_words(self):
        return self.words("run")

    def down(self):
        self.ok(*self.words("revert"))

    def is_content_with(self, n):
        lines = self.ok(*self.words("list")).splitlines()
        marks = [line.strip()[:3] for line in lines if line.strip().startswith("[")]
        return marks == ["[X]"] * n + ["[ ]"] * (len(marks) - n)


class TestDiesel(Turns):
    peer_class = DieselCli
