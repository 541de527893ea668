# SPDX-License-Identifier: Apache-2.0
"""The cache of checksums as a user meets it: out of the way, and never the reason for a wrong answer."""

import os
import shutil
import subprocess
import time

import pytest
from proxy import SERVER

COUNT = 220  # more than what it is worth it for
AT_REST = 2.3  # seconds after which a file may be kept


@pytest.fixture
def project(whimbrel, sqlite):
    for i in range(1, COUNT + 1):
        whimbrel.write(f"migrations/{i:04}_t.sql", f"CREATE TABLE t{i:04} (x integer);\n")
    whimbrel.write("whimbrel.toml", f'database = "{sqlite.url}"\n')
    whimbrel.ok("migrate")
    time.sleep(AT_REST)
    return whimbrel


def kept(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def change(path):
    """Another text of the same length, with the times that the file had."""
    info = path.stat()
    path.write_text(path.read_text().replace("integer", "numeric"))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert path.stat().st_size == info.st_size and path.stat().st_mtime_ns == info.st_mtime_ns


def test_it_lies_where_caches_belong_and_sees_what_changes(project):
    cache = project.home / ".cache"
    assert project.ok("status", "--check").code == 0
    (file,) = kept(cache)
    assert file.parent == cache / "whimbrel"
    assert [oct(path.stat().st_mode & 0o7777) for path in (cache, file.parent, file)] == ["0o700", "0o700", "0o600"]
    assert kept(project.cwd / "migrations") == sorted((project.cwd / "migrations").iterdir())

    before = file.read_bytes()
    project.ok("status", "--check")
    assert file.read_bytes() == before

    # By another way to the same folder it is the same cache; another folder has its own.
    (project.cwd / "link").symlink_to(project.cwd / "migrations")
    project.ok("status", "--check", "-m", "link")
    assert kept(cache) == [file]

    change(project.cwd / "migrations" / "0007_t.sql")
    result = project("status", "--check")
    assert result.code == 3 and "0007" in result.out
    assert project("status", "--check", "-m", "link").code == 3
    assert project("validate").code == 3

    (project.cwd / "migrations").rename(project.cwd / "moved")
    assert project("status", "--check", "-m", "moved").code == 3
    subprocess.run(["cp", "-a", project.cwd / "moved", project.cwd / "copied"], check=True)
    time.sleep(AT_REST)
    assert project("status", "--check", "-m", "copied").code == 3
    assert len(kept(cache)) > 1


def test_each_file_is_looked_at_once_and_none_is_opened(project, program_command):
    if len(program_command) > 1:
        pytest.skip("runs under a wrapper")
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    project.ok("status", "--check")
    # To tell whose files they are, each tool that is known may look into some: that is another matter.
    for line in (["migrate"], ["status", "--check"]):
        line += ["--convention", "whimbrel"]
        trace = subprocess.run(
            [strace, "-f", "-qq", "-e", "trace=%file,getdents64", *program_command, *line],
            capture_output=True,
            text=True,
            cwd=project.cwd,
            # Traced, a sanitizer cannot look for leaks.
            env={**os.environ, "HOME": str(project.home), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"},
            check=True,
        ).stderr.splitlines()
        ours = [call for call in trace if "_t.sql" in call and not call.startswith("statfs")]
        assert len(ours) == COUNT and all("stat" in call and "openat" not in call for call in ours), ours[:5]
        assert len([call for call in trace if call.startswith("getdents64")]) <= 4  # the list of them is read once
        assert len(trace) - len(ours) < 200


def test_a_place_can_be_named_and_switched_off(project, tmp_path):
    place = tmp_path / "elsewhere"
    project.ok("status", env={"XDG_CACHE_HOME": place})
    assert len(kept(place)) == 1 and not kept(project.home / ".cache")
    project.ok("status", env={"WHIMBREL_CACHE": "false"})
    project.ok("validate")
    assert not kept(project.home / ".cache")
    project.ok("status", env={"XDG_CACHE_HOME": "relative"})
    assert not (project.cwd / "relative").exists() and len(kept(project.home / ".cache")) == 1


def test_without_a_place_it_is_left_out(project, tmp_path):
    changed = project.cwd / "migrations" / "0100_t.sql"
    file = tmp_path / "file"
    file.write_text("")
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    sealed.chmod(0o555)
    places = [None, "", "/nonexistent/home", file, sealed]
    for home in places:
        project.ok("status", "--check", env={"HOME": home})
    change(changed)
    for home in places:
        assert project("status", "--check", env={"HOME": home}).code == 3
    assert not os.path.exists("/nonexistent")


def test_many_at_once_and_one_that_is_broken(project):
    for _ in range(3):
        processes = [project.start("status", "--check") for _ in range(6)]
        for process in processes:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, out + err
        (file,) = kept(project.home / ".cache")
        file.write_bytes(file.read_bytes()[: -COUNT * 3])
    change(project.cwd / "migrations" / "0220_t.sql")
    assert project("status", "--check").code == 3


@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_rollback_looks_only_at_what_is_due(whimbrel, sqlite, cache):
    """A file that nobody can read is in nobody's way unless it is due; what stays may still forbid that something goes."""
    whimbrel.write("whimbrel.toml", f'database = "{sqlite.url}"\ncache = {cache}\n')
    for i in range(1, COUNT + 1):
        whimbrel.write(f"migrations/{i:04}_t.up.sql", f"CREATE TABLE t{i:04} (x integer);\n")
        whimbrel.write(f"migrations/{i:04}_t.down.sql", f"DROP TABLE t{i:04};\n")
    whimbrel.ok("migrate")
    whimbrel.write(
        "migrations/0007_t.up.sql", f"-- whimbrel: requires={COUNT - 2:04}\nCREATE TABLE t0007 (x integer);\n"
    )
    whimbrel.ok("repair", "--yes")
    time.sleep(AT_REST)
    whimbrel.ok("status", "--check")
    assert len(kept(whimbrel.home / ".cache")) == (cache == "true")

    whimbrel.write(f"migrations/{COUNT - 3:04}_t.down.sql", "SELECT 'never closed;\n")
    whimbrel.ok("rollback")
    whimbrel.ok("rollback", "--dry-run")
    whimbrel.ok("rollback")
    result = whimbrel("rollback")
    assert result.code != 0 and f"0007 t, which stays, requires {COUNT - 2:04} t" in result.err
    whimbrel.write("migrations/0007_t.up.sql", "CREATE TABLE t0007 (x integer);\n")
    whimbrel.ok("rollback")
    result = whimbrel("rollback")
    assert result.code != 0 and f"{COUNT - 3:04}_t.down.sql:1" in result.err
    assert sqlite.value("SELECT count(*) FROM sqlite_master WHERE name LIKE 't0%'") == str(COUNT - 3)


@pytest.mark.parametrize("server", ["pg", "maria"])
def test_files_that_change_while_the_server_is_waited_for(whimbrel, request, proxy, server):
    """They are read while the connection is made; what was read too long before it is there is read again."""
    remote = request.getfixturevalue(server)
    for i in range(1, COUNT + 1):
        whimbrel.write(f"migrations/{i:04}_t.sql", f"CREATE TABLE t{i:04} (x integer);\n")
    whimbrel.ok("migrate", "-d", remote.url)
    time.sleep(AT_REST)
    whimbrel.ok("status", "--check", "-d", remote.url)
    (whimbrel.cwd / "migrations" / "0006_t.sql").unlink()
    change(whimbrel.cwd / "migrations" / "0007_t.sql")
    result = whimbrel("status", "--check", "-d", remote.url)
    assert result.code == 3 and "0006" in result.out and "0007" in result.out

    via = proxy(remote)
    rule = via.at(1, "stall", side=SERVER)
    process = whimbrel.start("status", "--check", "-d", via.url)
    assert rule.struck.wait(30)
    time.sleep(1.2)
    whimbrel.write("migrations/9999_late.sql", "CREATE TABLE late (x integer);\n")
    (whimbrel.cwd / "migrations" / "0008_t.sql").unlink()
    change(whimbrel.cwd / "migrations" / "0009_t.sql")
    via.flow()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert all(version in out for version in ("0006", "0007", "0008", "0009", "9999")), out
