"""A Ray cluster of two nodes, in a process of its own: Ray's core ends the whole process when a cluster dies.

Reads commands from stdin, one JSON object a line, and answers each with a line on stdout: {"add": FOLDER} starts a node that keeps
its trials in a folder, {"kill": NUMBER} kills a node. At the end of stdin the cluster ends.
"""

import json
import socket
import sys
import time

from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
START_S = 180  # of a node or the client server, on a busy machine


def free_port():
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    """Until something listens on a port."""
    limit = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


def add_node(cluster, **options):
    node = cluster.add_node(wait=False, **SMALL, **options)  # Ray itself would wait for 30 s at most
    cluster.wait_for_nodes(START_S)
    return node


def answer(**data):
    print(json.dumps(data), file=ANSWERS, flush=True)


def processes(node, kind):
    return [info.process.pid for info in node.all_processes.get(kind, [])]


def main():
    port = free_port()
    head = {**SMALL, "include_dashboard": False, "ray_client_server_port": port, "wait": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.head_node, add_node(cluster)]
    wait_for(port)
    parts = {"head": processes(nodes[0], "gcs_server"), "client server": processes(nodes[0], "ray_client_server"),
             "node": processes(nodes[0], "raylet"), "other node": processes(nodes[1], "raylet")}
    answer(address=cluster.address, client=f"ray://127.0.0.1:{port}", parts=parts)
    for line in sys.stdin:
        command = json.loads(line)
        if "add" in command:
            nodes.append(add_node(cluster, env_vars={"TMPDIR": command["add"]}))
            answer(number=len(nodes) - 1)
        else:
            cluster.remove_node(nodes[command["kill"]], allow_graceful=False)
            answer()
    cluster.shutdown()


if __name__ == "__main__":
    ANSWERS, sys.stdout = sys.stdout, sys.stderr  # Ray prints too
    main()
