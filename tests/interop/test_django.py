# SPDX-License-Identifier: Apache-2.0
"""Django's own command and whimbrel, by turns."""

import pathlib
import subprocess

import pytest
from layouts import Django
from turns import Peer, Turns

SETTINGS = """
import os
try:
    import pymysql
    pymysql.install_as_MySQLdb()
    pymysql.version_info = (2, 2, 1, "final", 0)
except ImportError:
    pass
SECRET_KEY = "x"
INSTALLED_APPS = {apps!r}
USE_TZ = True
DATABASES = {{"default": {database!r}}}
"""


class DjangoPeer(Peer):
    program = "django-admin"
    layout = Django()
    apps = ["shop"]

    def __init__(self, project, db):
        super().__init__(project, db)
        python = pathlib.Path(self.path).resolve().with_name("python3")
        module = {"sqlite": "sqlite3", "postgres": "psycopg2", "mariadb": "pymysql"}[db.engine]
        command = [str(python) if python.exists() else "python3", "-c", f"import django, {module}"]
        if subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip(f"Django is not installed with {module}")

    def prepare(self):
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.project.cwd / "app.db")}
        if self.db.engine != "sqlite":
            host, _, port = self.db.url.split("@")[-1].split("/")[0].partition(":")
            user, _, password = self.db.url.split("//")[1].split("@")[0].partition(":")
            database = {
                "ENGINE": {"postgres": "django.db.backends.postgresql", "mariadb": "django.db.backends.mysql"}[self.db.engine],
                "NAME": self.db.name,
                "HOST": host,
                "PORT": port,
                "USER": user,
                "PASSWORD": password,
            }
        self.project.write("settings.py", SETTINGS.format(apps=self.apps, database=database))
        self.project.write("shop/__init__.py", "")

    def words(self, *words):
        return [*words, "--settings=settings", "--pythonpath=.", "--no-color"]

    def up_words(self):
        return self.words("migrate", "--noinput")

    def down(self):
        applied = len(self.db.sql("SELECT id FROM django_migrations WHERE app = 'shop'"))
        target = self.layout.migration(applied - 1) if applied > 1 else "zero"
        self.ok(*self.words("migrate", "shop", target))

    def is_content_with(self, n):
        lines = self.ok(*self.words("showmigrations", "shop")).splitlines()
        states = [line.strip()[:3] for line in lines if line.strip().startswith("[")]
        return states == ["[X]"] * n + ["[ ]"] * (len(states) - n)


class TestTurns(Turns):
    peer_class = DjangoPeer

    def test_sql_that_sqlmigrate_wrote_runs(self, peer):
        """A model, of which only Django knows what it comes to, and the package that it hangs on."""
        peer.apps = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
        peer.prepare()
        peer.layout.write(peer.project, 1)
        peer.project.write(
            "shop/migrations/0002_item.py",
            "from django.conf import settings\nfrom django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            '    dependencies = [("shop", "0001_make_t1"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]\n'
            "    operations = [migrations.CreateModel(name='Item', fields=[('id', models.BigAutoField(primary_key=True)),"
            " ('owner', models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE))])]\n",
        )
        peer.ok(*peer.words("migrate", "auth", "--noinput"))
        peer.ok(*peer.words("migrate", "shop", "0001", "--noinput"))
        path = peer.project.cwd / "shop/migrations/0002_item"
        path.with_suffix(".up.sql").write_text(peer.ok(*peer.words("sqlmigrate", "shop", "0002")))
        path.with_suffix(".down.sql").write_text(peer.ok(*peer.words("sqlmigrate", "shop", "0002", "--backwards")))
        self.ours(peer, "migrate")
        assert "No migrations to apply" in peer.ok(*peer.up_words())
        assert peer.db.value("SELECT count(*) FROM shop_item") == "0"
        self.ours(peer, "rollback")
        assert peer.is_content_with(1)
        peer.ok(*peer.up_words())
        assert peer.is_content_with(2)

    def test_squashed_migrations_mean_the_same_to_both(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        peer.project.write(
            "shop/migrations/0001_squashed_0002.py",
            "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
            f'    replaces = [("shop", "{peer.layout.migration(1)}"), ("shop", "{peer.layout.migration(2)}")]\n'
            "    dependencies = []\n\n    operations = [\n"
            '        migrations.RunSQL(["CREATE TABLE t1 (id int)", "CREATE TABLE t2 (id int)"],'
            ' ["DROP TABLE t2", "DROP TABLE t1"]),\n    ]\n',
        )
        document = self.ours(peer, "status", "--output", "json").json
        assert [(row["version"], row["state"]) for row in document["migrations"]] == [("shop.0001_squashed_0002", "applied")]
        self.ours(peer, "rollback")
        assert peer.db.sql(peer.layout.rows_sql) == []
        assert "[X]" not in peer.ok(*peer.words("showmigrations", "shop"))
        self.ours(peer, "migrate", "--convention", "django")
        assert "No migrations to apply" in peer.ok(*peer.up_words())
        peer.ok(*peer.words("migrate", "shop", "zero"))
        assert peer.db.sql(peer.layout.rows_sql) == []
