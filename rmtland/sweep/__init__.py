"""Many tasks on all cores or a cluster, with results in a store that survives what happens.

>>> from rmtland import sweep
>>> def mean(n, seed):
...     import numpy as np
...     return float(np.random.default_rng(seed).normal(size=n).mean())
>>> results = sweep.run(mean, sweep.Grid({"n": [1, 100]}, seeds=5), executor=sweep.Serial())
>>> len(results)
10

With ``store="means.db"`` the results are in a file: a second call computes only what is missing,
and a run that was killed resumes. See `run`, `Grid` and `Store`.
"""

from rmtland.deprecation import old_names
from rmtland.sweep.dask_pool import Dask
from rmtland.sweep.executors import Processes, Serial
from rmtland.sweep.grid import Grid, Key
from rmtland.sweep.records import Counts, Failure, Result, StoreError
from rmtland.sweep.running import Interrupted, run
from rmtland.sweep.store import Store
from rmtland.sweep.table import Mean, Results

__all__ = [
    "Counts",
    "Dask",
    "Failure",
    "Grid",
    "Interrupted",
    "Key",
    "Mean",
    "Processes",
    "Result",
    "Results",
    "Serial",
    "Store",
    "StoreError",
    "run",
]

__getattr__ = old_names(__name__, {"Status": "rmtland.sweep:Counts"})
