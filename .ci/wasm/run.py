"""Runs a WebAssembly module in Wasmtime: a WASI program with its arguments, or the export `run`."""

import os
import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

wasi = WasiConfig()
wasi.argv = sys.argv[1:]
wasi.env = list(os.environ.items())
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
for folder in ["/wasm", "/tmp"]:
    wasi.preopen_dir(folder, folder)
engine = Engine()
store = Store(engine)
store.set_wasi(wasi)
linker = Linker(engine)
linker.define_wasi()
exports = linker.instantiate(store, Module.from_file(engine, sys.argv[1])).exports(store)
try:
    sys.exit(exports["run"](store) if "run" in exports else exports["_start"](store))
except ExitTrap as end:
    sys.exit(end.code)
