"""A node dies at each step of its work: the n-th time that it passes there, life after life."""
from catalogue import fault
from shared import wait_for

STEPS = ("appended", "synced", "sent", "acknowledged")
PASSES = (1, 2, 3, 10)


@fault("node killed at each step", quick=True, rate=600, seconds=25)
def node_kill_at_step(c):
    c.kill_node("host-a")
    for step in STEPS:
        for passes in PASSES:
            node = c.start_cluster_node("host-a", ready=False, env={"WEFT_KILL_AT": f"{step}:{passes}"})
            wait_for(lambda node=node: node.child.poll() is not None, f"host-a dies when {step} for the {passes}.", 60)
    c.start_cluster_node("host-a")
    c.wait_flow()
    c.notes.append(f"{len(STEPS) * len(PASSES)} deaths")
