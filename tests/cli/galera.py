# SPDX-License-Identifier: Apache-2.0
"""A throwaway Galera cluster: three MariaDB servers on this machine that hold the same data.

It has the face of one server (servers.py), which is its first node that runs; .nodes are the servers themselves.
"""

import glob
import shutil
import time
import urllib.parse

from servers import Database, MariaDb, NotInstalled, free_port

# A node that is gone is noticed after two seconds.
QUICK = ("evs.keepalive_period=PT0.5S", "evs.suspect_timeout=PT2S", "evs.inactive_timeout=PT4S")
PROVIDERS = ["/usr/lib/galera/libgalera_smm.so", "/usr/lib*/galera*/libgalera*_smm.so", "/usr/lib/*/libgalera*_smm.so"]


def find_provider():
    for pattern in PROVIDERS:
        for place in sorted(glob.glob(pattern)):
            return place
    raise NotInstalled("galera-4 is not installed")


class Node(MariaDb):
    fixture_name = None

    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.group_port, self.state_port, self.copy_port = free_port(), free_port(), free_port()
        self.founds = False
        super().__init__()

    def create_data(self):
        # The others are given the first one's data when they join.
        if self.number == 0:
            super().create_data()
        else:
            self.call(["mkdir", self.data])

    def command(self):
        others = "" if self.founds else ",".join(f"127.0.0.1:{node.group_port}" for node in self.cluster.nodes)
        options = [
            f"base_host=127.0.0.1;base_port={self.group_port}",
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port}",
            f"ist.recv_addr=127.0.0.1:{self.state_port};ist.recv_bind=127.0.0.1:{self.state_port}",
            "gcache.size=16M;gcache.page_size=16M",
            *self.cluster.provider_options,
        ]
        return [
            *super().command(),
            "--binlog-format=ROW",
            "--default-storage-engine=InnoDB",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            f"--wsrep-provider={self.cluster.provider}",
            f"--wsrep-provider-options={';'.join(options)}",
            f"--wsrep-cluster-name=whimbrel-{self.cluster.nodes[0].group_port}",
            f"--wsrep-cluster-address=gcomm://{others}",
            f"--wsrep-node-name=node{self.number + 1}",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-node-incoming-address=127.0.0.1:{self.port}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{self.copy_port}",
            "--wsrep-slave-threads=2",
        ]

    def status(self, name):
        return self.execute(f"SHOW STATUS LIKE 'wsrep_{name}'")[0][1]

    def answers(self):
        try:
            return self.status("ready") == "ON" and self.status("local_state_comment") == "Synced"
        except (RuntimeError, IndexError):
            return False

    def runs(self):
        return self.process is not None and self.process.poll() is None


class Galera:
    engine = "mariadb"
    fixture_name = "galera"

    def __init__(self, count=3, provider_options=QUICK):
        self.provider, self.provider_options = find_provider(), provider_options
        if not shutil.which("rsync"):
            raise NotInstalled("rsync is not installed, by which a node is given its data")
        self.nodes = []
        try:
            for number in range(count):
                self.nodes.append(Node(self, number))
        except BaseException:
            self.remove()
            raise

    def start(self):
        self.nodes[0].founds = True
        self.nodes[0].start()
        self.nodes[0].founds = False
        for node in self.nodes[1:]:
            node.start()
        self.wait_until_whole()

    def wait_until_whole(self, seconds=60):
        size = str(sum(node.runs() for node in self.nodes))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if all(node.answers() and node.status("cluster_size") == size for node in self.nodes if node.runs()):
                return
            time.sleep(0.1)
        raise RuntimeError("the cluster's nodes do not find each other")

    def restart(self):
        """Starts what was killed, which is given what it missed."""
        for node in self.nodes:
            if not node.runs():
                node.kill()
                node.start()
        self.wait_until_whole()

    def remove(self):
        # All at once: none is to take over from another, and their data goes with them.
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.remove()

    @property
    def first(self):
        return next(node for node in self.nodes if node.runs())

    @property
    def log(self):
        return self.first.log

    @property
    def user(self):
        return self.first.user

    def environment(self):
        return self.first.environment()

    def client(self, database):
        return self.first.client(database)

    def query(self, text, database):
        return self.first.query("SET SESSION wsrep_sync_wait = 15;\n" + text, database)

    def execute(self, text):
        return self.query(text, "mysql")

    def create_database(self):
        name = self.first.create_database().name
        for node in self.nodes:
            if node.runs():
                node.execute("SET SESSION wsrep_sync_wait = 15;\nSELECT COUNT(*) FROM mysql.db")
        return self.database(name)

    def database(self, name):
        """.url names all nodes, .urls is each one's, and .on(node) is the database as that node has it."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        path = urllib.parse.quote(str(self.first.socket), safe="")
        url = f"mariadb://root@{hosts}/{name}"
        database = Database(self, name, url, f"mariadb://root@localhost/{name}?socket={path}")
        database.urls = [node.database(name).url for node in self.nodes]
        database.on = lambda node: node.database(name)
        return database

    def drop_database(self, database):
        self.first.drop_database(database)
