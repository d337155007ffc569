"""Planted: `posswitch run` whose journal leaves syncing to chance; a power cut must be seen to lose money.

Its head file is not asked either: that would refuse to start, and the peers' books are to be tried here.
"""

import functools
import sys

from posswitch.cli import main, node, switch
from posswitch.edge.supervisor import Supervisor
from posswitch.journal import recovery, sqlite

if sys.argv[1] == "run":
    switch.Supervisor = functools.partial(Supervisor, command=(sys.executable, __file__))
    main.main()
else:
    sqlite._PRAGMAS = (*sqlite._PRAGMAS, "synchronous=NORMAL")
    recovery._compare = lambda db, head: None
    sys.exit(node.main(sys.argv[1:]))
