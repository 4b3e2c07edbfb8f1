"""The engine's process: llama.cpp's server, until standard input ends. Arguments: one JSON object.

Run as a script: the parent holds our standard input open, and with it this process lives and dies.
"""

import json
import os
import sys

import xllamacpp


def main() -> None:
    """Serve the model that the first argument describes."""
    asked = json.loads(sys.argv[1])
    p = xllamacpp.CommonParams()
    p.model.path = asked["model"]
    p.n_ctx = asked["n_ctx"]
    p.n_parallel = asked["slots"]
    p.kv_unified = True
    # No hidden cache and nothing evicted behind our back (see design/engine.md, 4).
    p.cache_idle_slots = False
    p.cache_ram_mib = 0
    p.cors_origins = "localhost"
    p.ui = False
    p.warmup = False
    p.endpoint_slots = p.endpoint_props = True
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    p.verbosity = asked["verbosity"]
    for name, value in asked["settings"].items():
        if not hasattr(p, name):
            raise AttributeError(f"CommonParams has no {name!r}")
        setattr(p, name, value)
    server = xllamacpp.Server(p)
    print(json.dumps({"address": server.listening_address}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
