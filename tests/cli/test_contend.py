# SPDX-License-Identifier: Apache-2.0
"""A short version of tests/campaign/contend.py: a dozen runners at once, some killed, some stopped for a while."""

import random
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "campaign"))

import contend  # noqa: E402


@pytest.mark.parametrize("engine", ["pg", "pooled", "maria", "leased maria", "sqlite"])
def test_each_migration_runs_once(program_command, request, engine):
    database = request.getfixturevalue(engine.split()[-1])
    seed = random.SystemRandom().randrange(1 << 30)
    name = {"pg": "postgres", "maria": "mariadb", "leased maria": "lease"}.get(engine, engine)
    try:
        contend.play_round(program_command, name, database, database.url, 12, seed, name == "lease")
    except contend.Failed as failure:
        pytest.fail(f"{failure}\n\nagain: ./dev contend {name} 12 1 {seed}", pytrace=False)
