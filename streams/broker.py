"""The embedded broker: Apache Kafka itself, on this machine alone, without Docker.

Its jars come from Maven once and are kept in a cache; data, log files and process ids lie in a data
directory::

    <data dir>/kafka/cluster.json            the cluster's id, its number of nodes and its first port
    <data dir>/kafka/node-1/server.properties
    <data dir>/kafka/node-1/pid
    <data dir>/kafka/node-1/kafka.log        and kafka.log.1 of the run before
    <data dir>/kafka/node-1/data/

Every node is controller and broker at once (KRaft) and listens on 127.0.0.1 only: node *i* on
``port + 2(i - 1)``, its controller on the port after that.
"""

import fcntl
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams import jars

HOST = "127.0.0.1"
DEFAULT_PORT = 9092
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0

# In a checkout, or where a wheel puts it.
_PLACES = (
    Path(__file__).resolve().parents[1] / "deploy",
    Path(sysconfig.get_path("data")) / "share" / "vagt",
)
_DEPLOY = next(place / "broker" for place in _PLACES if (place / "broker").is_dir())

# The defaults of Kafka's own start script, with less memory and no JMX.
_BROKER_JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
_TOOL_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

# The nodes this program started. They outlive it on purpose, but a dead child has to be reaped by its parent.
_children: dict[int, subprocess.Popen[bytes]] = {}


class BrokerError(RuntimeError):
    """The embedded broker cannot do what was asked; the message is one sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node: ``pid`` is None when it does not run, ``answers`` says that its port accepts connections."""

    node: int
    port: int
    pid: int | None
    answers: bool
    log: Path


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """The whole cluster as it is now; no nodes when nothing was ever started in the data directory."""

    bootstrap: str
    nodes: tuple[NodeStatus, ...]

    @property
    def running(self) -> bool:
        """Whether every node runs and accepts connections."""
        return bool(self.nodes) and all(node.answers for node in self.nodes)


class Broker:
    """An Apache Kafka of ``nodes`` nodes with its data in ``data_dir``; three nodes may keep three replicas.

    ``port`` is the first of ``2 * nodes`` consecutive ports. Starting what runs and stopping what does not
    are no errors, and several programs may do so at once: they take turns by a lock in the data directory.
    ``properties`` (Kafka's own) and ``jvm`` (options of Java) come after those of the product and win.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = DEFAULT_PORT,
        nodes: int = 1,
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = (),
    ) -> None:
        if nodes < 1:
            raise ValueError(f"a cluster has at least one node, not {nodes}")
        self.port = port
        self.nodes = nodes
        self._more = dict(properties or {})
        self._jvm = tuple(jvm)
        self._dir = data_dir.expanduser().resolve() / "kafka"

    @property
    def bootstrap(self) -> str:
        """The addresses a client is given, ``host:port`` with commas between."""
        return _bootstrap(self.port, self.nodes)

    def start(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Start every node that does not run, and return once all of them answer.

        ``tell`` is called with a sentence before each step that takes long.
        Raises BrokerError when Java or Maven is missing, a port is taken, or a node does not come up.
        """
        with self._lock():
            cluster = self._cluster()
            running = [node for node in self.status().nodes if node.pid is not None]
            self._check_same_cluster(cluster, running)
            missing = [n for n in range(1, self.nodes + 1) if n not in {node.node for node in running}]
            if missing:
                self._start(missing, cluster, tell)

    def stop(self) -> None:
        """Stop every node that was started in this data directory, whatever its port; the data stay."""
        if not self._dir.exists():
            return
        with self._lock():
            running = [node for node in self.status().nodes if node.pid is not None]
            self._stop([node.node for node in running])

    def status(self) -> BrokerStatus:
        """Return what runs in this data directory, on the ports it was last started with."""
        cluster = self._cluster()
        if cluster is None:
            return BrokerStatus(self.bootstrap, ())
        nodes = []
        for node in range(1, cluster.nodes + 1):
            port, pid = _port(cluster.port, node), self._pid(node)
            nodes.append(NodeStatus(node, port, pid, pid is not None and _accepts(port), self._log(node)))
        return BrokerStatus(_bootstrap(cluster.port, cluster.nodes), tuple(nodes))

    def _check_same_cluster(self, cluster: "_Cluster | None", running: Sequence[NodeStatus]) -> None:
        if cluster is None:
            return
        if cluster.nodes != self.nodes:
            raise BrokerError(
                f"The data in {self._dir} are those of a broker with --nodes {cluster.nodes}, "
                f"not {self.nodes}: say so, or take another --data-dir."
            )
        if running and cluster.port != self.port:
            raise BrokerError(
                f"The broker of {self._dir} already runs on port {cluster.port}: "
                f"stop it before you move it to {self.port}."
            )

    def _start(self, nodes: Sequence[int], cluster: "_Cluster | None", tell: Callable[[str], None]) -> None:
        _check_ports([port for n in nodes for port in (_port(self.port, n), _port(self.port, n) + 1)])
        java = _java()
        classpath = str(fetch_jars(tell) / "*")
        cluster_id = cluster.id if cluster else "v" + secrets.token_urlsafe(16)[1:]
        (self._dir / "cluster.json").write_text(
            json.dumps({"id": cluster_id, "nodes": self.nodes, "port": self.port}), encoding="utf-8"
        )
        for node in nodes:
            self._node_dir(node).mkdir(exist_ok=True)
            self._properties(node).write_text(self._settings_of(node), encoding="utf-8")
        self._format(nodes, cluster_id, [java, *_TOOL_JVM, "-cp", classpath])
        tell(f"Starting Apache Kafka on {self.bootstrap}")
        for node in nodes:
            self._spawn(node, [java, *_BROKER_JVM, *self._jvm, self._mark(node), "-cp", classpath])
        try:
            self._wait_until_answering(nodes)
        except BrokerError:
            self._stop(nodes)
            raise

    def _settings_of(self, node: int) -> str:
        port = _port(self.port, node)
        voters = ",".join(f"{n}@{HOST}:{_port(self.port, n) + 1}" for n in range(1, self.nodes + 1))
        copies = min(3, self.nodes)
        in_sync = max(1, copies - 1)
        return (
            (_DEPLOY / "server.properties").read_text(encoding="utf-8")
            + f"""
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{port + 1}
advertised.listeners=PLAINTEXT://{HOST}:{port}
log.dirs={self._node_dir(node) / "data"}
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
"""
            + "".join(f"{name}={value}\n" for name, value in self._more.items())
        )

    def _format(self, nodes: Sequence[int], cluster_id: str, java: list[str]) -> None:
        """Give each node that has none an empty data directory of this cluster."""
        new = [node for node in nodes if not (self._node_dir(node) / "data" / "meta.properties").exists()]
        tools = [
            subprocess.Popen(
                [
                    *java,
                    "kafka.tools.StorageTool",
                    "format",
                    "-t",
                    cluster_id,
                    "-c",
                    str(self._properties(node)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for node in new
        ]
        said = [tool.communicate()[0].strip() for tool in tools]
        for node, tool, text in zip(new, tools, said, strict=True):
            if tool.returncode != 0:
                reason = text.splitlines()[-1] if text else "no reason given"
                raise BrokerError(f"Kafka could not prepare {self._node_dir(node)}: {reason}")

    def _spawn(self, node: int, java: list[str]) -> None:
        log = self._log(node)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as out:
            child = subprocess.Popen(
                [*java, "kafka.Kafka", str(self._properties(node))],
                cwd=self._node_dir(node),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the worker first: it still has something to write
            )
        _children[child.pid] = child
        self._pid_file(node).write_text(str(child.pid), encoding="utf-8")

    def _wait_until_answering(self, nodes: Sequence[int]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            for node in nodes:
                if self._pid(node) is None:
                    raise BrokerError(f"Kafka's node {node} ended while it started: {self._log(node)} says why.")
            ports = [_port(self.port, node) for node in nodes]
            if all(_accepts(port) for port in ports) and self._members() == self.nodes:
                return
            if time.monotonic() > deadline:
                logs = ", ".join(str(self._log(node)) for node in nodes)
                raise BrokerError(f"Kafka did not answer within {START_TIMEOUT_S:.0f} s: {logs} may say why.")
            time.sleep(0.1)

    def _members(self) -> int:
        """Return how many nodes the cluster itself counts as ready, 0 while it cannot be asked."""
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=5000, request_timeout_ms=5000
            )
        except KafkaError:
            return 0
        try:
            brokers = admin.describe_cluster()["brokers"]
        except KafkaError:
            return 0
        finally:
            admin.close()
        return sum(not broker.get("is_fenced", False) for broker in brokers)

    def _stop(self, nodes: Sequence[int]) -> None:
        for how, seconds in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
            for node in nodes:
                if (pid := self._pid(node)) is not None:
                    os.kill(pid, how)
            deadline = time.monotonic() + seconds
            while any(self._pid(node) is not None for node in nodes) and time.monotonic() < deadline:
                time.sleep(0.05)
        for node in nodes:
            if (pid := self._pid(node)) is not None:
                raise BrokerError(f"Kafka's node {node} (process {pid}) does not end, not even when killed.")
            self._pid_file(node).unlink(missing_ok=True)

    def _pid(self, node: int) -> int | None:
        """Return a running node's process id: never that of a program which got the same id later."""
        try:
            pid = int(self._pid_file(node).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        if (child := _children.get(pid)) is not None:
            if child.poll() is None:
                return pid  # its arguments cannot be read yet while it is being started
            del _children[pid]
        return pid if self._mark(node) in _command_of(pid) else None

    def _mark(self, node: int) -> str:
        return f"-Dvagt.node={self._node_dir(node)}"

    def _cluster(self) -> "_Cluster | None":
        try:
            return _Cluster(**json.loads((self._dir / "cluster.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._dir.mkdir(parents=True, exist_ok=True)
        with (self._dir / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _node_dir(self, node: int) -> Path:
        return self._dir / f"node-{node}"

    def _properties(self, node: int) -> Path:
        return self._node_dir(node) / "server.properties"

    def _pid_file(self, node: int) -> Path:
        return self._node_dir(node) / "pid"

    def _log(self, node: int) -> Path:
        return self._node_dir(node) / "kafka.log"


@dataclass(frozen=True, slots=True)
class _Cluster:
    id: str
    nodes: int
    port: int


def free_port(nodes: int = 1) -> int:
    """Return the first of ``2 * nodes`` free ports in a row, below those that outgoing connections take."""
    bases = range(20_000, 32_000, 2 * nodes)
    for base in random.sample(bases, len(bases)):
        if all(_is_free(port) for port in range(base, base + 2 * nodes)):
            return base
    raise BrokerError("No free ports are left between 20000 and 32000.")


def fetch_jars(tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the directory of Kafka's jars, which Maven fills at the first call on a machine (some 44 MB).

    Raises BrokerError when Maven is missing or cannot fetch them.
    """
    try:
        return jars.fetch(_DEPLOY / "pom.xml", "kafka", "Apache Kafka", tell)
    except jars.JarError as error:
        raise BrokerError(f"{error} Or name a Kafka that runs in VAGT_KAFKA_BOOTSTRAP.") from None


def _java() -> str:
    java = shutil.which("java")
    said = ""
    if java is not None:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if java is None or version is None or int(version[1]) < 17:
        raise BrokerError(
            "The embedded broker needs Java 17 or newer as `java`: install openjdk-17-jre-headless, "
            "or name a Kafka that runs in VAGT_KAFKA_BOOTSTRAP."
        )
    return java


def _check_ports(ports: Sequence[int]) -> None:
    for port in ports:
        if not _is_free(port):
            raise BrokerError(
                f"Port {port} is taken by another program: choose another with --port, "
                "or name the Kafka that runs there in VAGT_KAFKA_BOOTSTRAP."
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a broker that has just stopped left nothing behind
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _command_of(pid: int) -> list[str]:
    """Return a process's arguments; empty when there is no such process."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split()


def _port(first: int, node: int) -> int:
    return first + 2 * (node - 1)


def _bootstrap(port: int, nodes: int) -> str:
    return ",".join(f"{HOST}:{_port(port, node)}" for node in range(1, nodes + 1))
