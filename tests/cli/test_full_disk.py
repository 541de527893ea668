# SPDX-License-Identifier: Apache-2.0
"""The server's disk fills amid a run: said so, nothing kept that is not told of, and the next run goes on once there is room."""

import os
import pathlib
import subprocess
import tempfile

import pytest

MEGABYTES = 6


@pytest.fixture
def small_disk(served):
    """A folder of the server's on a file system of its own, with room for very little."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="small-", dir=served.server.folder))
    options = f"size={MEGABYTES}m,mode=0700"
    if served.server.user:
        options += f",uid={served.server.user.pw_uid},gid={served.server.user.pw_gid}"
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["pg", "maria"])
def served(request):
    return request.getfixturevalue(request.param)


def big_table(served, folder):
    """A table on that disk, and rows for it: more than fit."""
    if served.engine == "postgres":
        return (
            "CREATE TABLE big (x text) TABLESPACE small;\n"
            "INSERT INTO big SELECT repeat(md5(i::text), 30) FROM generate_series(1, 20000) AS s(i);\n"
        )
    return (
        f"CREATE TABLE big (x text) DATA DIRECTORY = '{folder}';\n"
        "INSERT INTO big SELECT repeat(md5(seq), 30) FROM seq_1_to_20000;\n"
    )


def test_a_disk_that_fills_amid_a_run(whimbrel, served, small_disk):
    if served.engine == "postgres":
        served.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    whimbrel.write("migrations/1_first.up.sql", "CREATE TABLE first (id int);\n")
    whimbrel.write("migrations/2_big.up.sql", big_table(served, small_disk))
    whimbrel.write("migrations/3_last.up.sql", "CREATE TABLE last (id int);\n")
    try:
        result = whimbrel("migrate", "-d", served.url, "--output", "json")
        assert result.code == 1, repr(result)
        assert result.json["error"]["code"] == "disk-full", repr(result)
        states = [migration["state"] for migration in whimbrel("status", "-d", served.url, "--output", "json").json["migrations"]]
        # Where DDL cannot be rolled back, the table stays, and the history says so.
        assert states == ["applied", "pending" if served.engine == "postgres" else "partial", "pending"]
        assert served.value("SELECT count(*) FROM information_schema.tables WHERE table_name = 'last'") == "0"

        subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
        whimbrel.ok("migrate", "-d", served.url)
        assert served.value("SELECT count(*) FROM big") == "20000"
        whimbrel.ok("status", "--check", "-d", served.url)
    finally:
        served.sql("DROP TABLE IF EXISTS big")
        if served.engine == "postgres":
            served.sql("DROP TABLESPACE small")
