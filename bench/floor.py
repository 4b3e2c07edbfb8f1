"""The bare floor: a loop that streams, runs four tools and keeps nothing. `floor.py BASE_URL TASK`."""

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ASKED = {"bash": "command", "read_file": "path start_line end_line",
         "edit_file": "path search replace", "grep": "pattern path"}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {
    "type": "object", "properties": {field: {} for field in fields.split()}}}}
    for name, fields in ASKED.items()]  # fmt: skip


def use(name, given):
    if name == "bash":
        done = subprocess.run(["bash", "-c", given["command"]], capture_output=True, text=True)
        return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    path = Path(given["path"])
    if name == "grep":
        lines = ((f, n, t) for f in path.rglob("*.py") for n, t in enumerate(f.open(), 1))
        return "".join(f"{f}:{n}:{t}" for f, n, t in lines if re.search(given["pattern"], t))
    text = path.read_text("utf-8")
    if name == "edit_file":
        path.write_text(text.replace(given["search"], given["replace"], 1), "utf-8")
        return f"Edited {path}."
    shown = list(enumerate(text.splitlines(), 1))[given["start_line"] - 1 : given["end_line"]]
    return "\n".join(f"{n}\t{line}" for n, line in shown)


def answer(server, path, messages):
    body = {"model": "any", "stream": True, "tools": TOOLS, "messages": messages}
    server.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    message = {"role": "assistant", "content": "", "tool_calls": []}
    chunks = (json.loads(line[6:]) for line in server.getresponse() if line[:7] == b"data: {")
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"]):
        message["content"] += delta.get("content") or ""
        print(delta.get("content") or "", end="", flush=True)
        for call in delta.get("tool_calls", ()):
            if "id" in call:
                message["tool_calls"].append(call)
            else:
                said = message["tool_calls"][call["index"]]["function"]
                said["arguments"] += call["function"]["arguments"]
    return message


url = urlsplit(sys.argv[1])
server = http.client.HTTPConnection(url.hostname, url.port)
messages = [{"role": "user", "content": sys.argv[2]}]
while (said := answer(server, f"{url.path}/chat/completions", messages))["tool_calls"]:
    messages.append(said)
    for call in said["tool_calls"]:
        result = use(call["function"]["name"], json.loads(call["function"]["arguments"]))
        print(call["function"]["name"], result[:80], file=sys.stderr)
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
