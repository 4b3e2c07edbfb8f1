"""The doctor against servers that say little, cut in silence or refuse; and profiles on disk."""

import asyncio
import json
import subprocess
import sys

import pytest

from hob.core.errors import ModelError
from hob.models import profiles
from hob.models.doctor.examine import Examination, examine
from hob.models.profile import Profile
from models.doctor_doubles import Double, serving


def examined(double: Double) -> Examination:
    with serving(double):
        examination = asyncio.run(examine(double.base_url, "some-model"))
    assert examination.requests == double.asked <= 40
    return examination


def probes(examination: Examination) -> dict[str, str]:
    return {f.probe: f.severity for f in examination.profile.findings}


def test_server_without_counts_is_not_blamed():
    examination = examined(Double(usage=False))
    assert probes(examination) == {"no-usage": "note", "no-call": "note", "window-unknown": "note"}


def test_window_that_cuts_in_silence_is_found_though_nobody_states_it():
    examination = examined(Double(window=4096))
    assert probes(examination)["cut-silently"] == "broken"
    assert examination.profile.window_tokens == 4096


def test_ollama_states_its_window_and_cuts_in_silence():
    looks = {
        "/api/version": {"version": "0.15.5"},
        "/api/show": {"capabilities": ["completion"], "template": "{{ .Prompt }}"},
        "/api/ps": {"models": [{"name": "some-model:latest", "context_length": 4096}]},
    }
    examination = examined(Double(window=4096, looks=looks))
    found = {f.probe: f for f in examination.profile.findings}
    assert {"cut-silently", "tools-unsupported"} <= set(found)
    assert "OLLAMA_CONTEXT_LENGTH" in found["cut-silently"].mend
    profile = examination.profile
    assert (profile.kind, profile.version, profile.tool_format) == ("ollama", "0.15.5", "text")


def test_vllm_states_its_window():
    cards = {"data": [{"id": "some-model", "owned_by": "vllm", "max_model_len": 131072}]}
    examination = examined(Double(looks={"/version": {"version": "0.14"}, "/v1/models": cards}))
    assert examination.profile.kind == "vllm"
    assert probes(examination)["window-unchecked"] == "note"
    assert not examination.broken


def test_server_that_refuses_one_token_is_asked_for_more():
    assert probes(examined(Double(least=8)))["refuses-short"] == "note"


def test_call_that_is_left_in_the_text_is_found():
    text = '<tool_call>\n{"name": "get_temperature", "arguments": {"city": "Lisbon"}}\n</tool_call>'
    examination = examined(Double(text=text))
    assert probes(examination)["calls-in-text"] == "broken"
    assert examination.profile.tool_format == "text"


def test_nobody_there_is_an_error_in_words():
    with pytest.raises(ModelError, match="cannot be reached"):
        asyncio.run(examine("http://127.0.0.1:9/v1", "x"))


def test_command_prints_keeps_and_says_by_its_exit_code(tmp_path):
    with serving(Double(window=4096)) as double:
        command = [sys.executable, "-m", "hob.main", "doctor", "--base-url", double.base_url]
        run = subprocess.run(
            [*command, "-m", "some-model", "--json", "--write-template", str(tmp_path / "t.jinja")],
            capture_output=True,
            text=True,
            env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        )
    assert (run.returncode, run.stderr) == (10, "")
    told = json.loads(run.stdout)
    assert told["healthy"] is False
    kept = profiles.load(tmp_path / ".local/share/hob/profiles", double.base_url, "some-model")
    assert kept.word == ""
    assert kept.profile.window_tokens == 4096
    assert kept.profile.checked_at > 0
    assert "<|im_start|>" in (tmp_path / "t.jinja").read_text(encoding="utf-8")


def test_profiles_are_kept_apart_and_broken_ones_ignored(tmp_path):
    url = "http://127.0.0.1:1/v1"
    one, other = (Profile(base_url=url, model=n, version="1") for n in ("a/b", "a-b"))
    path = profiles.save(tmp_path, one)
    profiles.save(tmp_path, other)
    assert profiles.load(tmp_path, url, "a/b") == profiles.Kept(one)
    assert profiles.load(tmp_path, url, "a-b", "1") == profiles.Kept(other)
    assert profiles.load(tmp_path, url, "a-b", "2").stale
    assert profiles.load(tmp_path, url, "c") == profiles.Kept()
    path.write_bytes(b"{")
    kept = profiles.load(tmp_path, url, "a/b")
    assert kept.profile == Profile()
    assert "hob doctor" in kept.word
