"""The scripted server as a process of its own, and what it does besides streaming."""

import json
import subprocess
import sys
import urllib.request

import msgspec
import pytest

from hob.models.script import ScriptedCall, Turn, load_script, shared_prefix_bytes
from hob.models.scripted_server import serve


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-length": "0"})
    request.remove_header("Content-length")
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.headers["content-type"], response.read()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def test_as_a_process_it_prints_its_url_serves_and_records(tmp_path):
    script, record = tmp_path / "turns.json", tmp_path / "requests.jsonl"
    script.write_text('[{"text": "Hi"}, {"calls": [{"name": "f", "arguments": {"x": 1}}]}]')
    command = [sys.executable, "-m", "hob.models.scripted", str(script), "--record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            asked = {"messages": [{"role": "user", "content": "é"}], "stream": True}
            kind, body = post(f"{url}/chat/completions", asked)
            models = get(f"{url}/models")
            health = get(url.removesuffix("/v1") + "/health")
        finally:
            process.terminate()
    assert kind.startswith("text/event-stream")
    assert body.endswith(b"data: [DONE]\n\n")
    assert [card["id"] for card in models["data"]] == ["scripted"]
    assert health == {"status": "ok"}
    (line,) = record.read_text().splitlines()
    kept = json.loads(line)
    assert kept["path"] == "/v1/chat/completions"
    assert json.loads(kept["body"]) == asked


def test_without_a_wish_for_a_stream_it_answers_with_one_document():
    call = ScriptedCall("f", {"x": 1})
    with serve([Turn(), Turn(text="Hi", reasoning="hm", calls=(call,))]) as server:
        said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        kind, body = post(f"{server.base_url}/chat/completions", {"messages": said})
    assert kind == "application/json"
    answer = json.loads(body)
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "hm",
                "tool_calls": [
                    {
                        "id": "call_0",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"x":1}'},
                    }
                ],
            },
            "finish_reason": "tool_calls",
        }
    ]
    assert answer["usage"]["prompt_tokens"] > 0


def test_a_script_is_a_list_or_an_object_and_errors_name_the_place():
    assert load_script(b' [{"text": "a"}]') == (Turn(text="a"),)
    assert load_script(b'{"turns": [{"text": "a"}]}') == (Turn(text="a"),)
    with pytest.raises(msgspec.ValidationError, match="txet"):
        load_script(b'[{"txet": "a"}]')


def test_a_taken_port_is_an_error():
    with (
        serve([]) as server,
        pytest.raises(OSError, match="in use"),
        serve([], port=int(server.base_url.split(":")[2].split("/")[0])),
    ):
        pass


@pytest.mark.parametrize(
    ("old", "new", "shared"),
    [(b"", b"abc", 0), (b"abc", b"abd", 2), (b"abc", b"abc", 3), (b"abc", b"abcd", 3)],
)
def test_the_shared_prefix_is_counted_in_bytes(old, new, shared):
    assert shared_prefix_bytes(old, new) == shared
