"""The room of the second parser: calls that a server left in the text of an answer, or handed on broken.

Pure functions over text, and one wrapper around a `Model`. Dialects: Hermes and Qwen, Qwen3-Coder, Mistral,
Llama 3 (JSON and pythonic), Functionary, DeepSeek, GLM, Gemma, harmony, Command R, fenced JSON; also Granite, Phi,
Kimi K2, MiniMax, LFM2, Nemotron, InternLM and Apertus.
"""

from hob.models.tool_syntax.hints import hint_for
from hob.models.tool_syntax.repair import repair_arguments
from hob.models.tool_syntax.second_parser import SecondParser
from hob.models.tool_syntax.syntax import Parsed, calls_in_text

__all__ = ["Parsed", "SecondParser", "calls_in_text", "hint_for", "repair_arguments"]
