"""Compares the export `evaluations` of a WebAssembly module in Wasmtime with that of a native library.

Prints the medians of 21 rounds in turn, in nanoseconds for one evaluation.
"""

import ctypes
import statistics
import sys
import time

from wasmtime import Engine, Instance, Module, Store

COUNT = 200_000

engine = Engine()
store = Store(engine)
exports = Instance(store, Module.from_file(engine, sys.argv[1]), []).exports(store)
native = ctypes.CDLL(sys.argv[2])
calls = {
    "in Wasmtime": lambda: exports["evaluations"](store, COUNT),
    "natively": lambda: native.evaluations(COUNT),
}
times = {name: [] for name in calls}
for _ in range(21):
    for name, call in calls.items():
        start = time.perf_counter()
        assert call() == COUNT
        times[name].append((time.perf_counter() - start) / COUNT * 1e9)
medians = {name: statistics.median(taken) for name, taken in times.items()}
print(*(f"{name}: {median:.0f} ns" for name, median in medians.items()), sep=", ")
