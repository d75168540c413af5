"""Network namespaces as hosts: each has an address of its own, and a link of 1 Gbit/s to a bridge."""

import os
import shutil
import subprocess

import jobs


def _run(command):
    return subprocess.run(command.split(), capture_output=True, text=True)


def missing():
    """Why there can be no hosts here, or None."""
    if not shutil.which("ip") or not shutil.which("tc"):
        return "ip and tc (iproute2) are not installed"
    name = f"taper{os.getpid()}probe"
    made = _run(f"ip netns add {name}")
    if made.returncode:
        return "making network namespaces is not permitted: " + made.stderr.strip()
    try:
        for command in (
            f"ip -n {name} link add type veth",
            f"ip -n {name} link add hub type bridge",
            f"ip netns exec {name} tc qdisc add dev veth0 root tbf rate 1gbit burst 256kb latency 50ms",
        ):
            made = _run(command)
            if made.returncode:
                return f"{command.split(' ', 3)[3]}: {made.stderr.strip()}"
    finally:
        _run(f"ip netns del {name}")
    return None


class Hosts:
    """For a with-block: `count` hosts, host i at 10.77.0.(i + 1)."""

    def __init__(self, count, rate="1gbit"):
        self.count, self.rate = count, rate
        self.prefix = f"taper{os.getpid()}"
        self.hub = f"{self.prefix}hub"

    def name(self, host):
        """The namespace of a host."""
        return f"{self.prefix}h{host}"

    def _must(self, command):
        result = _run(command)
        assert result.returncode == 0, f"{command}: {result.stderr}"

    def __enter__(self):
        shape = f"root tbf rate {self.rate} burst 256kb latency 50ms"
        for space in (self.hub, *map(self.name, range(self.count))):
            self._must(f"ip netns add {space}")
            self._must(f"ip -n {space} link set lo up")
        self._must(f"ip -n {self.hub} link add bridge0 type bridge")
        self._must(f"ip -n {self.hub} link set bridge0 up")
        for host in range(self.count):
            space = self.name(host)
            self._must(f"ip -n {space} link add eth0 type veth peer name port{host} netns {self.hub}")
            self._must(f"ip -n {space} addr add 10.77.0.{host + 1}/24 dev eth0")
            self._must(f"ip -n {self.hub} link set port{host} master bridge0")
            self._must(f"ip -n {self.hub} link set port{host} up")
            self._must(f"ip -n {space} link set eth0 up")
            self._must(f"ip netns exec {space} tc qdisc add dev eth0 {shape}")
            self._must(f"ip netns exec {self.hub} tc qdisc add dev port{host} {shape}")
        return self

    def __exit__(self, *exception):
        for space in (*map(self.name, range(self.count)), self.hub):
            _run(f"ip netns del {space}")

    def cut(self, host):
        """Takes a host's link down."""
        self._must(f"ip -n {self.hub} link set port{host} down")

    def start(self, body):
        """A process in each host, that runs body."""
        env = {"WORLD_SIZE": str(self.count), "MASTER_ADDR": "10.77.0.1"}
        port = jobs.free_port()
        return [
            jobs.start(body, 1, {**env, "RANK": str(host)}, port, ("ip", "netns", "exec", self.name(host)))[0]
            for host in range(self.count)
        ]
