# SPDX-License-Identifier: Apache-2.0
"""refinery_cli and whimbrel by turns. It has no command that shows states: -d -m makes it refuse what it finds amiss."""

from layouts import Refinery
from turns import Peer, Turns


class RefineryCli(Peer):
    program = "refinery"
    layout = Refinery()

    def prepare(self):
        if self.db.engine == "sqlite":
            lines = 'db_type = "Sqlite"\ndb_path = "app.db"\n'
        else:
            user, _, address = self.db.url.split("://")[1].partition("@")
            host, _, port = address.split("/")[0].partition(":")
            kind = {"postgres": "Postgres", "mariadb": "Mysql"}[self.db.engine]
            lines = (
                f'db_type = "{kind}"\ndb_host = "{host}"\ndb_port = "{port}"\ndb_user = "{user}"\n'
                f'db_name = "{self.db.name}"\n'
            )
        self.project.write("refinery.toml", "[main]\n" + lines)
        (self.project.cwd / "migrations").mkdir()

    def up_words(self):
        return ["migrate", "-d", "-m"]

    def is_content_with(self, n):
        # To the target that is there already: it verifies everything and has nothing to do.
        out = self.ok("migrate", "-d", "-m", "-t", n)
        return f"current version: {n}" in out and "applying migration" not in out


class TestTurns(Turns):
    peer_class = RefineryCli
