"""Chat templates of our own in the manner of the big families: good ones, and ones with one fault each."""

CHATML = """\
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- 'You can call these functions. Each line between the tags describes one.\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\nTo call one, write its name and arguments as JSON between tags:\\n<tool_call>\\n{"name": "the name", "arguments": {}}\\n</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{%- if not loop.first or message.content %}{{- '\\n' }}{%- endif %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

# Thoughts belong to the turn: they stay until the next word of the user and are dropped after it.
THINKING = CHATML.replace(
    "{%- for message in messages %}\n",
    "{%- set turn = namespace(at=-1) %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' %}{%- set turn.at = loop.index0 %}{%- endif %}{%- endfor %}\n"
    "{%- for message in messages %}\n",
    1,
).replace(
    "{{- '<|im_start|>assistant\\n' }}\n",
    "{{- '<|im_start|>assistant\\n' }}\n"
    "{%- if message.reasoning_content and loop.index0 > turn.at %}{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}\n",
    1,
)

LLAMA3 = """\
{{- '<|begin_of_text|>' }}
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- set rest = messages[1:] %}
{%- else %}{%- set system = '' %}{%- set rest = messages %}{%- endif %}
{%- if system or tools %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools %}
{{- 'Environment: ipython\\nAnswer with a JSON object {"name": ..., "parameters": {...}} to call one of these functions:\\n\\n' }}
{%- for tool in tools %}{{- (tool | tojson(indent=4)) + '\\n\\n' }}{%- endfor %}
{%- endif %}
{{- system + '<|eot_id|>' }}
{%- endif %}
{%- for message in rest %}
{%- if message.role == 'tool' %}
{{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + (message.content | tojson) + '<|eot_id|>' }}
{%- elif message.tool_calls %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls %}
{{- '{"name": "' + call.function.name + '", "parameters": ' + (call.function.arguments | tojson) + '}' }}
{%- if not loop.last %}{{- '; ' }}{%- endif %}
{%- endfor %}
{{- '<|eot_id|>' }}
{%- else %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + (message.content or '') + '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

# Strict: after the system message user and assistant must take turns (results belong to the assistant's).
MISTRAL = """\
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content + '\\n\\n' %}{%- set rest = messages[1:] %}
{%- else %}{%- set system = '' %}{%- set rest = messages %}{%- endif %}
{%- set turn = namespace(user=true) %}
{%- for message in rest %}
{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) %}
{%- if (message.role == 'user') != turn.user %}{{- raise_exception('After the optional system message, conversation roles must alternate user/assistant') }}{%- endif %}
{%- set turn.user = not turn.user %}
{%- endif %}
{%- endfor %}
{{- '<s>' }}
{%- if tools %}{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{%- endif %}
{%- for message in rest %}
{%- if message.role == 'user' %}
{{- '[INST] ' }}{%- if loop.first %}{{- system }}{%- endif %}{{- message.content + '[/INST]' }}
{%- elif message.role == 'tool' %}
{{- '[TOOL_RESULTS] {"content": ' + (message.content | tojson) + ', "call_id": "' + (message.tool_call_id or '') + '"}[/TOOL_RESULTS]' }}
{%- elif message.role == 'assistant' %}
{%- if message.content %}{{- ' ' + message.content }}{%- endif %}
{%- if message.tool_calls %}
{{- '[TOOL_CALLS] [' }}
{%- for call in message.tool_calls %}
{{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + ', "id": "' + (call.id or '') + '"}' }}
{%- if not loop.last %}{{- ', ' }}{%- endif %}
{%- endfor %}
{{- ']' }}
{%- endif %}
{{- '</s>' }}
{%- else %}{{- raise_exception('Only user, assistant and tool roles are supported') }}
{%- endif %}
{%- endfor %}
"""

GOOD = {"chatml": CHATML, "thinking": THINKING, "llama3": LLAMA3, "mistral": MISTRAL}


def broken(template: str, good: str, bad: str) -> str:
    """Return a template in which one part, that must be there exactly once, is replaced."""
    assert template.count(good) == 1, f"{good!r} stands {template.count(good)} times"
    return template.replace(good, bad)


_TOOLS_OFF = broken(CHATML, "{%- if tools %}", "{%- if false %}")
_SYSTEM_IN_TOOLS = (
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}\n"
)
_LAST_TURN = (
    "{%- set last = namespace(at=0) %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' %}{%- set last.at = loop.index0 %}{%- endif %}{%- endfor %}\n"
    "{%- for message in messages[last.at:] %}\n"
)

_MISTRAL_TOOLS = "{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{%- endif %}"

BROKEN = {
    "no_tools": _TOOLS_OFF,
    "one_tool": broken(CHATML, "for tool in tools", "for tool in tools[:1]"),
    "no_system": broken(
        broken(CHATML, _SYSTEM_IN_TOOLS, ""),
        "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n",
        "",
    ),
    "system_lost_with_tools": broken(CHATML, _SYSTEM_IN_TOOLS, ""),
    "no_results": broken(CHATML, "message.role == 'tool' %}\n", "message.role == 'never' %}\n"),
    "no_call_history": broken(CHATML, "in message.tool_calls or []", "in []"),
    "double_json": broken(
        CHATML, "(call.function.arguments | tojson)", "(call.function.arguments | tojson | tojson)"
    ),
    "raises_on_parallel": broken(
        CHATML,
        "{%- for call in message.tool_calls or [] %}",
        "{%- if (message.tool_calls or []) | length > 1 %}{{- raise_exception('This model only supports single tool-calls at once!') }}{%- endif %}\n"
        "{%- for call in message.tool_calls or [] %}",
    ),
    "first_call_only": broken(
        CHATML, "in message.tool_calls or []", "in (message.tool_calls or [])[:1]"
    ),
    "clock": broken(
        CHATML,
        "{%- if tools %}\n",
        "{{- '<|im_start|>system\\nIt is ' + strftime_now('%H:%M:%S') + '.<|im_end|>\\n' }}\n{%- if tools %}\n",
    ),
    "no_genprompt": broken(
        CHATML,
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}\n",
        "",
    ),
    "history_lost": broken(CHATML, "{%- for message in messages %}\n", _LAST_TURN),
    "second_turn_raises": broken(
        CHATML,
        "{%- for message in messages %}\n",
        "{%- if messages | selectattr('role', 'equalto', 'user') | list | length > 1 %}{{- raise_exception('Only one user message is supported') }}{%- endif %}\n"
        "{%- for message in messages %}\n",
    ),
    # Where it is in the real template of Mistral 7B v0.3: the prompt changes in the middle with each turn.
    "tools_move": broken(
        broken(MISTRAL, "{%- if tools %}" + _MISTRAL_TOOLS + "\n", ""),
        "{%- for message in rest %}\n{%- if message.role == 'user' %}\n",
        "{%- set last = namespace(at=0) %}\n"
        "{%- for message in rest %}{%- if message.role == 'user' %}{%- set last.at = loop.index0 %}{%- endif %}{%- endfor %}\n"
        "{%- for message in rest %}\n{%- if message.role == 'user' %}\n"
        "{%- if tools and loop.index0 == last.at %}" + _MISTRAL_TOOLS + "\n",
    ),
}
