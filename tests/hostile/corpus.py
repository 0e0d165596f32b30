"""Hostile and broken specs: `CASES` maps a name to its bytes and to the code that reading the text must tell.

A code of None: the text is plain YAML within the limits, and whoever uses its data has to refuse it (none is a
valid spec).
"""

from __future__ import annotations

from typing import NamedTuple

MIB = 2**20


class Case(NamedTuple):
    """content: the file. code: what `archspec.source.parse` tells of it; None if it reads as plain data."""

    content: bytes
    code: str | None


CASES: dict[str, Case] = {}

HEAD = "archspec: 1\nname: x\ninput: [1, 28, 28]\n"


def _add(code: str | None, **contents: str | bytes) -> None:
    for name, content in contents.items():
        assert name not in CASES, name
        CASES[name] = Case(content.encode() if isinstance(content, str) else content, code)


def _spec(**stages: str) -> None:
    """Whole specs that are plain YAML."""
    _add(None, **{name: HEAD + text for name, text in stages.items()})


# Bytes that are no text
_add(
    "SPEC007",
    latin1=b"archspec: 1\nname: caf\xe9\n",
    utf16_le="archspec: 1\n".encode("utf-16-le"),
    utf16_bom="archspec: 1\n".encode("utf-16"),
    utf32="archspec: 1\n".encode("utf-32"),
    random_bytes=bytes((i * 73 + 41) % 256 for i in range(4096)),
    gzip_head=b"\x1f\x8b\x08\x00" + bytes(64),
    elf_head=b"\x7fELF\x02\x01\x01" + bytes(64),
    png_head=b"\x89PNG\r\n\x1a\n" + bytes(32),
    nul=b"archspec: 1\x00\n",
    all_nul=bytes(4096),
    escape_sequence=b"name: \x1b[31mred\x1b[0m\n",
    bell=b"name: \x07\n",
    delete=b"name: a\x7fb\n",
    c1_control="name: a\x85b\n",
    line_separator="name: a\u2028b\n",
    paragraph_separator="name: a\u2029b\n",
    inner_bom="name: a\ufeffb\n",
    two_boms="\ufeff\ufeffname: a\n",
    noncharacter="name: \uffff\n",
    surrogate_bytes=b"name: \xed\xa0\x80\n",
    overlong=b"name: \xc0\xaf\n",
    cut_utf8="name: é".encode()[:-1],
    quoted_escape='name: "\\x1b[2J"\n',
    quoted_nul='name: "\\0"\n',
    quoted_line_separator='name: "\\L"\n',
)

# Sizes
_add(
    "SPEC003",
    too_large="# " + "x" * MIB,
    too_large_binary=bytes(range(32, 127)) * 12_000,
    deep_lists="[" * 100_000,
    deep_lists_closed="[" * 50_000 + "]" * 50_000,
    deep_mappings="{a: " * 100_000,
    deep_block_lists="- " * 100_000,
    deep_block_mappings="".join(" " * i + "a:\n" for i in range(1000)),
    deep_mixed="[{a: " * 50_000,
    level_65="a: " + "[" * 64 + "]" * 64,
    many_items="[" + "a," * 150_000 + "]",
    many_lines="- a\n" * 150_000,
    many_keys="".join(f"k{i}: 1\n" for i in range(70_000)),
    many_duplicates="a: 1\n" * 100_000,
    many_aliases="- *a\n" * 100_000,
    many_tags="- !a b\n" * 50_000,
    many_directives="%YAML 1.2\n" * 50_000,
    many_merges="<<: {a: b}\n" * 50_000,
    many_torn="[" + "$(a,b), " * 50_000 + "]",
    many_unspaced="{" + "a:1, " * 50_000 + "}",
)
_add("SPEC003", deep_mappings_as_keys="{" * 100_000)  # as deep as libyaml reads, or as deep as we do
_add("SPEC008", deep_complex_keys="? " * 100_000)
_add(
    None,
    one_long_text="name: " + "x" * (MIB - 100),
    one_long_line_of_items="[" + "a, " * 49_000 + "]",
    one_long_key="x" * 1000 + ": 1\n",
    one_long_comment="# " + "x" * (MIB - 100),
    a_million_blank_lines="\n" * (MIB - 10),
    a_million_carriage_returns="\r" * (MIB - 10),
    a_million_spaces=" " * (MIB - 10),
    a_million_dashes="-" * (MIB - 10),
    many_words="a\n" * (MIB // 2 - 10),
    long_emoji="name: " + "😀" * 200_000,
    level_64="a: " + "[" * 63 + "]" * 63,
    empty="",
    only_a_comment="# nothing\n",
    only_a_bom=b"\xef\xbb\xbf",
    only_a_text="hello",
    only_a_number="42",
    only_a_list="[1, 2, 3]",
    only_null="null\n",
    marked_empty="---\n...\n",
)

# What YAML can do and the language cannot
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [" + ", ".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(8)
)
MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)}\n  <<: [" + ", ".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(8)
)
_add(
    "SPEC005",
    billion_laughs=BOMB,
    merge_bomb=MERGE_BOMB,
    alias_of_itself="a: &a [*a]\n",
    alias_of_nothing="a: *nowhere\n",
    alias_as_key="*a : 1\n",
    anchor="a: &x 1\n",
    anchored_key="&x a: 1\n",
    merge_key="a: 1\n<<: {b: 2}\n",
    tag_python="a: !!python/object/apply:os.system ['true']\n",
    tag_python_name="a: !!python/name:os.system\n",
    tag_bool="a: !!bool x\n",
    tag_binary="a: !!binary aGVsbG8=\n",
    tag_own="a: !mine 1\n",
    tag_bare="a: ! x\n",
    tag_on_list="a: !!set [1]\n",
    tag_with_handle="%TAG ! tag:evil,2000:\n---\na: !x 1\n",
    tag_unknown_handle="a: !e!x 1\n",
    tag_unclosed="a: !<x 1\n",
    directive_unknown="%FOO bar\n---\na: 1\n",
    directive_yaml_1_1="%YAML 1.1\n---\na: no\n",
    directive_yaml_9="%YAML 9.9\n---\na: 1\n",
    directive_twice="%YAML 1.2\n%YAML 1.2\n---\na: 1\n",
    two_documents="a: 1\n---\nb: 2\n",
    many_documents="---\n" * 50_000,
    bare_star="a: *\n",
    bare_ampersand="a: & b\n",
)

# Keys and scalars that trip up readers
_add("SPEC004", duplicate="a: 1\nb: 2\na: 3\n", duplicate_flow="{a: 1, a: 2}\n", duplicate_quoted="a: 1\n'a': 2\n")
_add(
    "SPEC008",
    list_key="? [a]\n: 1\n",
    mapping_key="{{a: 1}: 2}\n",
    template_braces="a: {{ name }}\n",
    null_key="~: 1\n",
    empty_key="? \n: 1\n",
    bool_key="true: 1\n",
    float_key="1.5: 1\n",
    octal_key="0o17: 1\n",
    infinite_key=".inf: 1\n",
    padded_int_key="007: 1\n",
)
_add(
    "SPEC009",
    huge_int="a: " + "9" * 100_000,
    huge_negative="a: -" + "9" * 5_000,
    huge_hex="a: 0x" + "f" * 5_000,
    huge_octal="a: 0o" + "7" * 5_000,
    huge_float="a: 1e999999999\n",
    long_float="a: 0." + "1" * 100_000,
    huge_int_key="9" * 500 + ": 1\n",
)
_add(
    None,
    date="a: 2001-99-99\n",
    underscored="a: 0x_\n",
    sexagesimal="a: 1:30\n",
    norway="a: no\nb: on\nc: yes\n",
    octal="a: 012\n",
    exponent="a: 1e3\n",
    dunder="__class__: {__init__: {__globals__: 1}}\n",
    python_in_text="a: __import__('os').system('true')\n",
    format_string="a: '{0.__class__}'\nb: '%s%n'\n",
    bidi_text="name: 'a\u202eb'\n",
)

# Syntax
_add(
    "SPEC002",
    tab_indent="a:\n\tb: 1\n",
    tab_in_list="a:\n\t- b\n",
    no_space_after_colon="a: 1\nb:2\nc: 3\n",
    no_space_in_braces="{a:1, b: 2}\n",
    no_space_before_list="{a:[1]}\n",
    two_colons="a: b: c\n",
    deeper_than_value="a: 1\n  b: 2\n",
    shallower="a:\n    b: 1\n  c: 2\n",
    unclosed_list="a: [1, 2\nb: 3\n",
    unclosed_mapping="a: {x: 1\nb: 2\n",
    unclosed_single="a: 'x\nb: 1\n",
    unclosed_double='a: "x\nb: 1\n',
    quote_closed_later='a: "x\nb: "y"\n',
    text_after_quote="a: 'it's'\n",
    wrong_closer="a: {b: 1]\n",
    closer_alone="a: ]\n",
    comma_alone="a: [,]\n",
    missing_comma="{\n a: 1\n b: 2\n}\n",
    at_sign="a: @x\n",
    backtick="a: `x`\n",
    percent="a: %x\n",
    bad_escape='a: "\\q"\n',
    bad_escape_hex='a: "\\xZZ"\n',
    escape_too_large='a: "\\UFFFFFFFF"\n',
    list_after_key="a: - b\n",
    mapping_after_list="- a\nb: 1\n",
    list_after_mapping="a: 1\n- b\n",
    two_roots="[a]\nb: 1\n",
    block_head="a: |x\n  y\n",
    block_head_zero="a: |0\n  y\n",
    colon_first=": x\n",
    colon_first_in_braces="a: {: 1}\n",
    word_among_keys="a: 1\nword\nb: 2\n",
    key_too_long="x" * 2000 + ": 1\nb: 2\n",
    question_tab="?\tx: 1\n",
    json_trailing='{"a": 1,, }\n',
    ends_in_list="a: [",
    ends_in_mapping="a: {",
    ends_in_quote='a: "',
)

# Expressions that YAML tears apart
_add(
    "SPEC006",
    torn_comma="a: {b: $(max(c, 8)), k: 1}\n",
    torn_bracket="a: {b: $(x[0]), k: 1}\n",
    torn_index="a: [$x[0], 2]\n",
    torn_key="{$(f(a, b)): 1, c: 2}\n",
    torn_colon='a: $(x if c else "k: v")\n',
    torn_comment='a: $(x if c else "b # c")\n',
    torn_unclosed="a: $(max(1, 2)\nb: 1\n",
    torn_never_closed="a: {b: $(max(c, 8), k: 1}\n",
    torn_deep="[$(" + "(" * 100_000,
    torn_quote='[$("' + "a," * 40_000,
    torn_index_deep="[" + "$x[" * 100_000,
)

# Plain YAML that means harm further on
DOUBLING = "  v0: [1, 1]\n" + "".join(f"  v{i}: [$v{i - 1}, $v{i - 1}]\n" for i in range(1, 40))
_spec(
    expression_power="stages:\n  a: {linear: $(9**9**9)}\n",
    expression_shift="stages:\n  a: {linear: $(2**1000000)}\n",
    expression_nested=f"stages:\n  a: {{linear: '$({'(' * 200}1{')' * 200})'}}\n",
    expression_signs=f"stages:\n  a: {{linear: '$({'-' * 900}1)'}}\n",
    expression_long=f"stages:\n  a: {{linear: '$({'1+' * 100_000}1)'}}\n",
    expression_import="stages:\n  a: {linear: $(__import__('os').getpid())}\n",
    expression_attribute="stages:\n  a: {linear: $(in.__class__)}\n",
    expression_lambda="stages:\n  a: {linear: '$((lambda: 1)())'}\n",
    expression_division="stages:\n  a: {linear: $(1 // 0)}\n",
    expression_nan="vars: {n: .nan}\nstages:\n  a: {linear: $(int(n))}\n",
    expression_empty="stages:\n  a: {linear: $()}\n",
    dollar_alone="stages:\n  a: {linear: $}\n",
    dollar_digit="stages:\n  a: {linear: $9}\n",
    var_of_itself="vars: {a: $a}\nstages:\n  a: {linear: $a}\n",
    vars_in_circle="vars: {a: $b, b: $a}\nstages:\n  a: {linear: $a}\n",
    vars_doubling=f"vars:\n{DOUBLING}stages:\n  a: {{linear: $v39}}\n",
    vars_doubling_summed=f"vars:\n{DOUBLING}stages:\n  a: {{linear: $(sum(v39))}}\n",
    vars_doubling_compared=f"vars:\n{DOUBLING}stages:\n  a: {{relu: null, when: $(v39 == v38)}}\n",
    vars_doubling_passed=f"vars:\n{DOUBLING}blocks:\n  b: {{params: {{p: any}}, body: [linear: $p]}}\n"
    "stages: {a: [b: $v39]}\n",
    vars_doubling_mappings=f"vars:\n{DOUBLING.replace('[', '{a: ').replace(', ', ', b: ').replace(']', '}')}"
    "stages:\n  a: {linear: $v39}\n",
    repeat_huge="stages:\n  a: {relu: null, repeat: 1000000000000}\n",
    repeat_negative="stages:\n  a: {relu: null, repeat: -1}\n",
    repeat_fraction="stages:\n  a: {relu: null, repeat: 1.5}\n",
    repeat_nested="stages:\n  a: {sequential: [{sequential: [{relu: null, repeat: 999}], repeat: 999}], repeat: 999}\n",
    block_recursion="blocks: {b: [b]}\nstages: {a: [b]}\n",
    blocks_in_circle="blocks: {b: [c], c: [b]}\nstages: {a: [b]}\n",
    blocks_doubling="blocks:\n  b0: [relu]\n"
    + "".join(f"  b{i}: [b{i - 1}, b{i - 1}]\n" for i in range(1, 60))
    + "stages: {a: [b59]}\n",
    dims_huge="stages:\n  a: {linear: 99999999999999999999999999}\n",
    dims_zero="stages:\n  a: {conv2d: {out_channels: 0, kernel_size: 0}}\n",
    input_not_a_shape="input2: {a: b}\nstages: {}\n",
    name_attribute="stages: {forward: [relu], state_dict: [relu]}\n",
    name_with_dots="stages: {a.b: [relu]}\n",
    name_path="stages: {../../x: [relu]}\n",
    extends_missing="extends: nowhere.yaml\n",
    extends_outside="extends: ../../../../../../etc/passwd\n",
    extends_absolute="extends: /etc/passwd\n",
    extends_device="extends: /dev/zero\n",
    use_device="use: /dev/stdin\nstages: {a: [relu]}\n",
    use_folder="use: .\nstages: {a: [relu]}\n",
    use_url="use: https://example.com/x.yaml\nstages: {a: [relu]}\n",
    stages_text="stages: relu\n",
    stages_list="stages: [relu]\n",
    stages_null="stages:\n",
    layer_of_numbers="stages: {a: [1, 2, 3]}\n",
    layer_of_nothing="stages: {a: [{}]}\n",
    layer_nested_lists="stages: {a: [[[[relu]]]]}\n",
)
