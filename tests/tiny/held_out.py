"""Templates that the doctor was not made with: written when its probes were finished, and never tuned on."""

from tiny.templates import CHATML, LLAMA3, MISTRAL, THINKING, broken

PHI = """\
{%- for message in messages %}
{%- if message.role == 'system' %}
{{- '<|system|>' + message.content }}{%- if tools %}{{- '<|tool|>' + (tools | tojson) + '<|/tool|>' }}{%- endif %}{{- '<|end|>' }}
{%- else %}
{%- if loop.first and tools %}{{- '<|system|><|tool|>' + (tools | tojson) + '<|/tool|><|end|>' }}{%- endif %}
{{- '<|' + message.role + '|>' + (message.content or '') }}
{%- if message.tool_calls %}{{- '<|tool_call|>[' }}
{%- for call in message.tool_calls %}{{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}' }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}
{{- ']<|/tool_call|>' }}{%- endif %}
{{- '<|end|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
"""

_BEFORE_LAST_USER = (
    "{%- set last = namespace(at=0) %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' %}{%- set last.at = loop.index0 %}{%- endif %}{%- endfor %}\n"
    "{%- for message in messages %}\n"
)

# name -> template and the probes that have to be found (none: a good one)
HELD_OUT: dict[str, tuple[str, set[str]]] = {
    "phi, good": (PHI, set()),
    "thinking, date": (
        broken(
            THINKING,
            "{%- elif messages[0].role == 'system' %}\n",
            "{{- '<|im_start|>system\\nToday is ' + strftime_now('%d %B %Y') + '.<|im_end|>\\n' }}\n{%- elif messages[0].role == 'system' %}\n",
        ),
        set(),
    ),
    "llama3, results cut short": (
        broken(LLAMA3, "(message.content | tojson)", "(message.content[:40] | tojson)"),
        {"results-dropped"},
    ),
    "llama3, tools only at first": (
        broken(
            broken(
                LLAMA3,
                "{%- if system or tools %}",
                "{%- set tools = tools if messages | length < 3 else none %}\n{%- if system or tools %}",
            ),
            "Environment: ipython\\n",
            "",
        ),
        {"tools-lost-later"},
    ),
    "mistral, system only at first": (
        broken(
            MISTRAL,
            "{%- if loop.first %}{{- system }}{%- endif %}",
            "{%- if loop.first and rest | length < 3 %}{{- system }}{%- endif %}",
        ),
        {"system-lost-later"},
    ),
    "chatml, old results dropped": (
        broken(
            broken(CHATML, "{%- for message in messages %}\n", _BEFORE_LAST_USER),
            "{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}",
            "{{- '\\n<tool_response>\\n' + (message.content if loop.index0 > last.at else '(old)') + '\\n</tool_response>' }}",
        ),
        {"past-results-dropped"},
    ),
    "chatml, second result lost": (
        broken(
            CHATML,
            "{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}",
            "{%- if messages[loop.index0 - 1].role != 'tool' %}{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}{%- endif %}",
        ),
        {"parallel-dropped"},
    ),
    "phi, no generation prompt": (
        broken(PHI, "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}\n", ""),
        {"generation-prompt"},
    ),
    "phi, minute clock": (
        "{{- '<|system|>It is ' + strftime_now('%H:%M') + '<|end|>' }}\n" + PHI,
        {"clock"},
    ),
}
