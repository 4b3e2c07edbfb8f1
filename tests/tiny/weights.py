"""Tiny GGUF files: two llama layers of random weights, a byte-level vocabulary of 2,048 and a given chat template."""

import argparse
import ast
import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path

import gguf
import numpy
import tokenizers

LAYERS, WIDTH, HIDDEN, HEADS = 2, 128, 256, 4
VOCABULARY = 2048
TRAINED_CONTEXT = 65536
SEED = 4

# Markers of all families are control tokens of the one vocabulary; a template uses those of its family.
CONTROL = (
    "<|endoftext|>",
    *("<|im_start|>", "<|im_end|>"),
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "<|eom_id|>", "<|python_tag|>"),
    *("<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    *("<bos>", "<start_of_turn>", "<end_of_turn>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),  # noqa: RUF001
)
USER = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
_NORMAL, _CONTROL, _USER, _UNUSED = 1, 3, 4, 5
_SPECIAL = len(CONTROL) + len(USER)


def tiny_gguf(template: str, eos: str = "<|im_end|>", bos: str = "<|endoftext|>") -> Path:
    """Return the file of a model with this chat template, made if it is not in the cache yet (0.1 s)."""
    digest = hashlib.blake2b(
        json.dumps([template, eos, bos, SEED, CONTROL, USER]).encode(), digest_size=8
    ).hexdigest()
    path = cache_folder() / f"tiny-{digest}.gguf"
    if not path.exists():
        # Another process may be making the same: the last one to rename wins, and both are right.
        making = path.with_suffix(f".{os.getpid()}")
        _write(making, template, eos, bos)
        making.rename(path)
    return path


def cache_folder() -> Path:
    """Return where files are kept between runs: under the folder for temporary files, ours alone."""
    folder = Path(tempfile.gettempdir()) / f"hob-tiny-models-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _write(path: Path, template: str, eos: str, bos: str) -> None:
    tokens, merges = _vocabulary()
    kinds = [_NORMAL] * len(tokens)
    for names, kind in ((CONTROL, _CONTROL), (USER, _USER)):
        for name in names:
            kinds[tokens.index(name)] = kind
    kinds = [_UNUSED if t.startswith("[UNUSED_") else k for t, k in zip(tokens, kinds, strict=True)]
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_name("tiny random")
    out.add_context_length(TRAINED_CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_freq_base(1e4)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("qwen2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(merges)
    out.add_eos_token_id(tokens.index(eos))
    out.add_bos_token_id(tokens.index(bos))
    out.add_add_bos_token(False)
    out.add_chat_template(template)
    _tensors(out)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _tensors(out: gguf.GGUFWriter) -> None:
    random = numpy.random.default_rng(SEED)

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns)) * columns**-0.5
        out.add_tensor(name, values.astype(numpy.float16))

    def norm(name: str) -> None:
        out.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    matrix("token_embd.weight", VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        norm(f"blk.{layer}.attn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{part}.weight", WIDTH, WIDTH)
        norm(f"blk.{layer}.ffn_norm.weight")
        matrix(f"blk.{layer}.ffn_gate.weight", HIDDEN, WIDTH)
        matrix(f"blk.{layer}.ffn_up.weight", HIDDEN, WIDTH)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
    norm("output_norm.weight")
    matrix("output.weight", VOCABULARY, WIDTH)


@functools.cache
def _vocabulary() -> tuple[list[str], list[str]]:
    """Return tokens and merges of a byte-level BPE, trained on a few modules that every Python has."""
    kept = cache_folder() / f"vocabulary-{VOCABULARY}-{_SPECIAL}.json"
    if kept.exists():
        tokens, merges = json.loads(kept.read_text("utf-8"))
        return tokens, merges
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY - _SPECIAL,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [Path(str(module.__file__)).read_text("utf-8") for module in (argparse, ast, functools)]
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    missing = VOCABULARY - _SPECIAL - len(tokens)
    tokens += [f"[UNUSED_{n}]" for n in range(missing)] + [*CONTROL, *USER]
    making = kept.with_suffix(f".{os.getpid()}")
    making.write_text(json.dumps([tokens, merges]), "utf-8")
    making.rename(kept)
    return tokens, merges
