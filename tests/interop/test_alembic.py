# SPDX-License-Identifier: Apache-2.0
"""alembic's own command and whimbrel, by turns; and the SQL of both for the same operations."""

import pathlib
import re

import pytest
from layouts import Alembic
from turns import Peer, Turns, find_peer

CASES = pathlib.Path(__file__).resolve().parents[1] / "cases" / "alembic"

ENV = """
from alembic import context
from sqlalchemy import create_engine
config = context.config
if context.is_offline_mode():
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True,
        dialect_opts={"paramstyle": "named"}, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(config.get_main_option("sqlalchemy.url")).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


def write_project(project, url):
    project.write(
        "alembic.ini",
        f"[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\nsqlalchemy.url = {url}\n",
    )
    project.write("alembic/env.py", ENV)


def url_for_sqlalchemy(project, db):
    if db.engine == "sqlite":
        return f"sqlite:///{project.cwd / 'app.db'}"
    scheme = {"postgres": "postgresql+psycopg2", "mariadb": "mysql+pymysql"}[db.engine]
    return f"{scheme}://{db.url.split('://')[1]}"


class AlembicPeer(Peer):
    program = "alembic"
    layout = Alembic()

    def prepare(self):
        write_project(self.project, url_for_sqlalchemy(self.project, self.db))

    def up_words(self):
        return ["upgrade", "heads"]

    def down(self):
        self.ok("downgrade", "-1")

    def is_content_with(self, n):
        out = self.ok("current")
        ids = [line.split()[0] for line in out.splitlines() if re.match(r"^[0-9a-f]{12}\b", line)]
        return ids == ([self.layout.revision(n)] if n else [])


class TestTurns(Turns):
    peer_class = AlembicPeer

    def write_graph(self, peer):
        """a - b - d, and a - c beside it, then m that merges d and c, and x that depends on c alone."""
        graph = {
            "aaaa": "None", "bbbb": "'aaaa'", "cccc": "'aaaa'", "dddd": "'bbbb'", "eeee": "('dddd', 'cccc')",
            "ffff": "None",
        }
        for revision, before in graph.items():
            depends = "'bbbb'" if revision == "ffff" else "None"
            peer.project.write(
                f"alembic/versions/{revision}.py",
                f'"""make {revision}"""\nfrom alembic import op\nrevision = "{revision}"\ndown_revision = {before}\n'
                f"depends_on = {depends}\ndef upgrade():\n    op.execute('CREATE TABLE t_{revision} (id int)')\n"
                f"def downgrade():\n    op.drop_table('t_{revision}')\n",
            )

    def heads(self, peer):
        return sorted(row[0] for row in peer.db.sql("SELECT version_num FROM alembic_version"))

    def tables(self, peer):
        made = {
            "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE 't!_%' ESCAPE '!'",
            "postgres": "SELECT tablename FROM pg_tables WHERE tablename LIKE 't!_%' ESCAPE '!'",
            "mariadb": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND table_name LIKE 't!_%' ESCAPE '!'",
        }[peer.db.engine]
        return sorted(row[0] for row in peer.db.sql(made))

    @pytest.mark.parametrize("target", ["aaaa", "cccc", "dddd", "eeee", "ffff", "heads"])
    def test_a_target_means_the_same_to_both(self, peer, target):
        """What alembic makes of it after whimbrel is what whimbrel makes of it after alembic."""
        self.write_graph(peer)
        peer.ok("upgrade", target)
        rows, tables = self.heads(peer), self.tables(peer)
        self.ours(peer, "rollback", "--all", "--yes")
        assert self.heads(peer) == [] and self.tables(peer) == []
        self.ours(peer, "migrate", "--to", target)
        assert (self.heads(peer), self.tables(peer)) == (rows, tables)
        peer.ok("downgrade", "base")
        assert self.heads(peer) == [] and self.tables(peer) == []

    @pytest.mark.parametrize("target", ["aaaa", "bbbb", "cccc", "dddd"])
    def test_going_back_means_the_same_to_both(self, peer, target):
        self.write_graph(peer)
        self.ours(peer, "migrate", "--convention", "alembic")
        everything = self.heads(peer)
        peer.ok("downgrade", target)
        rows, tables = self.heads(peer), self.tables(peer)
        self.ours(peer, "migrate")
        assert self.heads(peer) == everything
        self.ours(peer, "rollback", "--to", target, "--yes")
        assert (self.heads(peer), self.tables(peer)) == (rows, tables)

    def test_steps_come_in_alembics_order(self, peer):
        self.write_graph(peer)
        out = peer.ok("upgrade", "heads", "--sql")
        order = re.findall(r"-- Running upgrade .*-> (\w+)", out)
        document = peer.project.ok("status", "-d", peer.db.url, "--output", "json").json
        assert [migration["version"] for migration in document["migrations"]] == order

    def test_stamps_mean_the_same_to_both(self, peer):
        self.write_graph(peer)
        for target in ("bbbb", "dddd", "eeee", "aaaa"):
            peer.ok("stamp", target, "--purge")
            rows = self.heads(peer)
            self.ours(peer, "stamp", "base", "--yes")
            self.ours(peer, "stamp", target, "--yes")
            assert self.heads(peer) == rows
        assert "ffff" in self.ours(peer, "heads").out and "eeee" in peer.ok("heads")

    def test_a_failure_leaves_nothing_that_the_other_stumbles_over(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        path = next((peer.project.cwd / "alembic" / "versions").glob("*make_t3.py"))
        good = path.read_text(encoding="utf-8")
        path.write_text(good.replace("    op.bulk_insert", "    op.execute('no SQL at all')\n    op.bulk_insert"))
        assert peer.project("migrate", "-d", peer.db.url).code == 1
        assert peer.is_content_with(2)
        peer.db.sql("DROP TABLE IF EXISTS t3")
        assert peer.call(*peer.up_words())[0] != 0
        peer.db.sql("DROP TABLE IF EXISTS t3")
        path.write_text(good, encoding="utf-8")
        self.ours(peer, "migrate")
        self.check(peer, 3)

    def test_sql_that_alembic_wrote_runs_here(self, peer):
        """What only Python can run, by the SQL that alembic writes for it."""
        if peer.db.engine == "sqlite":
            pytest.skip("once is enough on servers")
        self.write(peer, 1, 2)
        path = next((peer.project.cwd / "alembic" / "versions").glob("*make_t2.py"))
        text = path.read_text(encoding="utf-8")
        loop = text.replace(
            "def upgrade() -> None:\n", "def upgrade() -> None:\n    for x in 'ab':\n        op.execute(f'SELECT 1')\n"
        )
        path.write_text(loop, encoding="utf-8")
        first, second = peer.layout.revision(1), peer.layout.revision(2)
        refused = peer.project("migrate", "-d", peer.db.url, "--convention", "alembic")
        assert refused.code == 1 and "only Python can run" in refused.err
        out = [line for line in peer.ok("upgrade", f"{first}:{second}", "--sql").splitlines() if "INFO" not in line]
        path.with_suffix(".up.sql").write_text("\n".join(out), encoding="utf-8")
        back = [line for line in peer.ok("downgrade", f"{second}:{first}", "--sql").splitlines() if "INFO" not in line]
        path.with_suffix(".down.sql").write_text("\n".join(back), encoding="utf-8")
        peer.project.ok("migrate", "-d", peer.db.url, "--convention", "alembic")
        self.check(peer, 2)
        self.ours(peer, "rollback")
        self.check(peer, 1)


# ---- the SQL of single operations


URLS = {
    "postgres": "postgresql+psycopg2://",
    "mysql": "mysql+pymysql://",
    "mariadb": "mariadb+pymysql://",
    "sqlite": "sqlite://",
}


def read_cases():
    """(title, attributes, body, {engine: statements}) of every case that alembic can write offline."""
    for path in sorted(CASES.glob("*.case")):
        for part in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            title, rest = part.split("\n", 1)
            title, attributes = re.fullmatch(r"(.*) \[(.*)\]", title).groups()
            body, expected = rest.split("\n---\n", 1)
            said = {}
            for line in expected.strip().splitlines():
                engine, statement = re.fullmatch(r"(\w+)(?: \d+:| (?=refused|nothing))? ?(.*)", line).groups()
                said.setdefault(engine, []).append(re.sub(r"^\(alone\) ", "", statement))
            if "mysql" in said:
                said.setdefault("mariadb", said["mysql"])
            if "mysql-options" in attributes:  # with a URL that begins with mariadb: alembic does not heed them
                said.pop("mariadb", None)
            if "online" not in attributes:
                yield title, body, said


def folded(sql):
    """Without quotes around names, which alembic writes only where it has to, and with blanks of one kind."""
    pieces = re.split(r"('(?:[^']|'')*')", sql)
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(r'[`"]', "", pieces[i])
        pieces[i] = re.sub(r"\s+", " ", pieces[i])
        pieces[i] = pieces[i].replace("( ", "(").replace(" )", ")")
        pieces[i] = re.sub(r"\) ?(?=[A-Z])", ") ", pieces[i])
    return "".join(pieces).strip().rstrip(";")


@pytest.mark.parametrize("engine", URLS)
def test_operations_become_the_same_sql(whimbrel, engine):
    project = whimbrel
    write_project(project, URLS[engine])
    wanted, before = {}, "None"
    for title, body, said in read_cases():
        statements = said.get(engine, [])
        if not statements or statements[0].startswith("refused"):
            continue
        revision = f"r{len(wanted):03}"
        lines = "\n".join(f"    {line}" for line in body.split("\n"))
        project.write(
            f"alembic/versions/{revision}.py",
            "from alembic import op\nimport sqlalchemy as sa\nfrom sqlalchemy.dialects import mysql, postgresql\n"
            f'revision = "{revision}"\ndown_revision = {before}\ndef upgrade():\n{lines}\n',
        )
        wanted[revision] = (title, [] if statements == ["nothing"] else [folded(text) for text in statements])
        before = f'"{revision}"'
    assert len(wanted) > 10
    peer = AlembicPeer.__new__(AlembicPeer)
    peer.path, peer.project = find_peer("alembic"), project
    out = peer.ok("upgrade", "heads", "--sql")
    different = []
    for part in re.split(r"^-- Running upgrade ", out, flags=re.M)[1:]:
        first, rest = part.split("\n", 1)
        title, expected = wanted.pop(first.split("->")[1].strip().split(",")[0])
        statements = [folded(text) for text in re.split(r";\n\n", rest) if text.strip()]
        statements = [re.sub(r"\s*;\s*(?=CREATE)", "; ", text) for text in statements]
        made = [text for text in statements if text not in ("BEGIN", "COMMIT") and "alembic_version" not in text]
        if "several statements" in title:
            made = [piece for text in made for piece in text.split("; ")]
        if made != expected:
            different += [f"{title}:", *(f"  alembic  {a}\n  whimbrel {w}" for a, w in zip_longest(made, expected) if a != w)]
    assert not wanted
    assert not different, "\n".join(different)


def zip_longest(one, two):
    for i in range(max(len(one), len(two))):
        yield one[i] if i < len(one) else "-", two[i] if i < len(two) else "-"
