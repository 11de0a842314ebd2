"""The faults, by name: each is a scenario with a cluster under load, and ends with the check of the histories."""

FAULTS = {}


class Fault:
    def __init__(self, act, row, quick, start, needs_root, seconds, options):
        self.name = act.__name__
        self.act = act
        self.row = row            # of the table of faults that it stands for
        self.quick = quick        # in the set that runs always
        self.start = start        # the cluster is started before act
        self.needs_root = needs_root
        self.seconds = seconds    # about so long, the start and the end included
        self.options = options    # of Cluster


def fault(row, quick=False, start=True, needs_root=False, seconds=10, **options):
    """Makes a function of a cluster a fault of that name."""
    def add(act):
        FAULTS[act.__name__] = Fault(act, row, quick, start, needs_root, seconds, options)
        return act
    return add
