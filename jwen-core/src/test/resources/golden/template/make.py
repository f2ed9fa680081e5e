"""Renders the templates below with jinja2 in the Hugging Face setup and writes cases.json beside this file."""

import copy
import json
import os

import jinja2
from jinja2.ext import Extension, do, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %}: the body is rendered through a caller, as transformers does to find assistant text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("render"), [], [], body).set_lineno(line)

    def render(self, caller):
        return caller()


class Rejected(jinja2.exceptions.TemplateError):
    pass


def raise_exception(message):
    raise Rejected(message)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols, do]
    )
    env.globals["raise_exception"] = raise_exception
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
    return env


VARIABLES = {
    "n": 42, "neg": -7, "zero": 0, "big": 123456789012345678901234567890, "pi": 3.14159, "tiny": 1e-7, "huge": 1e16,
    "half": 2.5, "t": True, "f": False, "nil": None, "s": "Hello World", "empty": "", "uni": "Grüße, 世界 \U0001f600!",
    "sp": "\u3000 \u00a0 padded \u2003\u001c ", "multi": "one\ntwo\r\nthree\n\nfive", "q": "it's", "dq": 'say "hi"',
    "both": "it's \"both\"", "ctl": "a\u0000b\u001fc\u007fd\u00ade\u200bf",
    "list": [3, 1, 2], "words": ["pear", "Apple", "fig", "apple"], "nested": [[1, "a"], [2, "b"]], "nothing": [],
    "d": {"b": 1, "a": [1, 2.0, None, True], "items": "shadow", "c d": {"x": "<&>"}}, "nod": {},
    "mixed": {"1": 1, "k": None, "f": 1.5, "t": True, "u": "ü\"\\/\n"},
    "users": [{"name": "Bob", "age": 30, "city": {"n": "Rome"}}, {"name": "alice", "age": 25, "city": {"n": "oslo"}},
              {"name": "Carl", "age": 30, "city": {"n": "Oslo"}}, {"name": "Dora"}],
    "messages": [{"role": "system", "content": " S "}, {"role": "user", "content": "Hi"},
                 {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": [True]}}}]},
                 {"role": "tool", "content": "r1"}, {"role": "tool", "content": "r2"}, {"role": "user", "content": "Bye"}],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}],
}

TEMPLATES = [
    # whitespace control
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n", "a\n  {%- if t -%}\n  b\n  {%- endif -%}\n  c", "  {%+ if t %}x{% endif +%}\n y",
    "a \n {{- n -}} \n b", "a\n   {{ n }}\nb\n", "x\n  {# c #}\ny", "x {#- c -#} y", "x\n\t {#+ c +#}\ny", "{# a {{ b }} #}z",
    "{% raw %}{{ x }} {% if %}{% endraw %}", "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb", "a {%- raw -%}  r  {%- endraw -%}  b",
    "a\r\nb\rc\n", "a\n\n", "\n{% if t %}\n\nx\n\n{% endif %}\n\n", "  {% set x = 1 %}  {{ x }}  ", "a\n {% if t %} b {% endif %} \nc",
    "{{ '{{' }}{{ \"%}\" }}{{ '#}' }}", "{% if t %}\n{% if t %}\n  x\n{% endif %}\n{% endif %}\n.", "\u00a0{%- if t -%}\u3000x{% endif %}",
    "a{{+ n }}b", "{%\nif t\n%}y{%\nendif\n%}", "{%- for x in list -%}\n {{ x }}, \n{%- endfor -%}", "x\n    {%- set a = 1 %}\n\n    {{ a }}",
    "{#-#}a", "a   {%+ set x = 1 +%}   b", "a\n  {{- '' }}\n  b", "{% for x in list %}\n  {{ x }}\n{% else %}\n{% endfor %}\n",
    # literals and printing
    "{{ 1 }} {{ 1.5 }} {{ 1e3 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1e-7 }} {{ 1.5E+20 }} {{ 00 }}", "{{ true }}{{ True }}{{ false }}{{ none }}{{ None }}",
    "{{ 'a\\nb\\t\\x41\\u00e9\\101\\'\\\"\\\\\\q' }}", "{{ 'a' 'b' \"c\" }}", "{{ '\\U0001f600\\N{BULLET}' }}", "{{ [1, 'a', 2.0, none, true] }}", "{{ (1,) }}{{ () }}{{ (1, 2) }}{{ 1, 2 }}",
    "{{ {'a': 1, 'b': [1, {'c': none}], 3: 4, true: 5} }}", "{{ {} }}{{ [] }}", "{{ [q, dq, both, ctl, uni, multi] }}", "{{ pi }} {{ tiny }} {{ huge }} {{ half }} {{ big }} {{ -0.0 }}",
    "{{ [1e22, 1e21, 123456789.123, 0.0001, 0.00001, 1e15, 1e16, 5e-324, 1.7976931348623157e308, 9.9e-324, 2e23] }}", "{{ 1e999 }} {{ -1e999 }} {{ 1e999 - 1e999 }}",
    "{{ d }}", "{{ messages[2] }}", "{{ d.keys() }} {{ d.values() }} {{ nod.items() }}", "{{ range(3) }} {{ range(1, 10, 3) }}", "{{ namespace(a=1, b='x') }}", "{{ {1: 'a', 1.0: 'b', true: 'c'} }}",
    "{{ '\\\u00e9' }}{{ '\\\u4e16' }}", "{{ 'x\\\ny' }}",
    # arithmetic and precedence
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 3 }}", "{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }}", "{{ 2 ** 10 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }} {{ 2.0 ** 0.5 }}",
    "{{ 9223372036854775807 + 1 }} {{ -9223372036854775808 - 1 }} {{ 4611686018427387904 * 4 }} {{ 2 ** 100 }}", "{{ big * big }} {{ big // 7 }} {{ big % 1000 }} {{ -big // 7 }}", "{{ 9007199254740993 + 0 }} {{ 9007199254740993 + 0.0 }} {{ 9007199254740993 == 9007199254740992.0 }}",
    "{{ true + 1 }} {{ true * 3 }} {{ -true }} {{ +false }}", "{{ 'a' + 'b' * 3 }} {{ [1] * 2 + [2] }} {{ (1,) + (2,) }} {{ 3 * 'x' }} {{ 'x' * -1 }}", "{{ 1 ~ 2 + 3 }}", "{{ 1 + 2 ~ 3 }}", "{{ 'a' ~ 1 ~ none ~ 1.0 ~ [1] ~ missing }}",
    "{{ -1 | abs }} {{ -n|abs }} {{ 2 * 3|string }}", "{{ not 1 == 2 }} {{ not t and f }} {{ t or f and f }} {{ (t or f) and f }}", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }}", "{{ 1 if t }}|{{ 1 if f }}|{{ 1 if f else 2 if f else 3 }}",
    "{{ 'x' in 'xyz' and 'a' not in 'xyz' }} {{ 1 in list }} {{ 'b' in d }} {{ 9 not in list }} {{ not 1 in list }}", "{{ messages|length - 1 }}", "{% set ns = namespace(a=true, i=messages|length - 1) %}{{ ns.i }}{{ ns.a }}", "{{ t and 'x' or 'y' }} {{ '' or 'z' }} {{ nil and 1 }} {{ 0 or [] }}",
    "{{ 1 / 3 }} {{ 10 / 4 }} {{ 1e300 * 1e10 }} {{ 0.1 + 0.2 }} {{ 100 * 1.1 }}", "{{ 5 - -3 }} {{ 5 - +3 }} {{ - -3 }}", "{{ 'b' > 'a' }} {{ [1, 2] < [1, 3] }} {{ (1, 'b') >= (1, 'a') }} {{ 'Z' < 'a' }} {{ '\U0001f600' > '\uffee' }}",
    "{{ 10 // 0.3 }} {{ 1e16 // 3 }} {{ 5 % 0.7 }} {{ -0.0 // 1 }}", "{{ 12345678901234567890 / 3 }} {{ 1 / big }}", "{{ 2 if t else 3 ~ 'x' }} {{ (2 if f else 3) ~ 'x' }}",
    # errors of operations
    "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ [1] + 'a' }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ missing + 1 }}", "{{ 'a' + missing }}", "{{ missing.x }}", "{{ d.zz.y }}", "{{ missing() }}", "{{ n() }}",
    "{{ 1 in 5 }}", "{{ 1 in 'a' }}", "{{ missing['a'] }}", "{{ missing < 1 }}", "{{ -'a' }}", "{{ {}['a'].b }}", "{{ {[1]: 2} }}", "{% for x in 5 %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    "{{ raise_exception('No way: ' ~ n) }}", "{{ nil.x.y }}", "{{ 'a'.foo() }}", "{{ list.append(4) }}", "{{ d.update({}) }}", "{{ d.pop('b') }}", "{{ ''.__class__ }}|{{ ''['__class__'].x }}", "{{ range(200000) }}", "{{ 'x'.join([1]) }}", "{{ 2 ** 'a' }}", "{{ none|tojson ~ missing|tojson }}",
    # undefined
    "[{{ missing }}] {{ missing is defined }} {{ missing is undefined }} {{ missing|default('d') }} {{ not missing }} {{ missing|length }} {{ missing|list }} {{ missing == missing2 }} {{ missing in [1] }} {{ 1 in missing }}", "{{ d.nope }}{{ d['nope'] }}{{ list[9] }}{{ s.nope }}{{ nil.nope }}{{ n.nope }}",
    "{{ d.nope is defined }} {{ d['b'] is defined }} {{ nil is defined }}", "{% for x in missing %}x{% else %}none{% endfor %}", "{{ [missing] }} {{ missing is iterable }} {{ missing is sequence }} {{ missing is mapping }} {{ missing is string }} {{ missing is none }} {{ missing is callable }}", "{{ missing.a is defined }}", "{{ nothing|first is defined }} {{ nothing|last is defined }} {{ nothing|max is defined }}",
    "{{ missing|upper }}|{{ missing|trim }}|{{ missing|join(',') }}|{{ missing|string }}|{{ missing|items|list }}",
    # attributes and items
    "{{ d.items() }} {{ d['items'] }} {{ d.items is callable }} {{ d.b }} {{ d['c d'].x }} {{ d.a.0 }} {{ d.a[-1] }}", "{{ d.get('b') }} {{ d.get('z') }} {{ d.get('z', 5) }} {{ d.keys()|list }} {{ d.values()|list|length }}", "{{ list.index(1) }} {{ list.count(3) }} {{ (1, 2, 2).count(2) }} {{ [1, 2].copy() }}", "{{ s[0] }}{{ s[-1] }}{{ uni[-2] }}{{ s[99] }}", "{{ list['index'](2) }}", "{{ d.pop is defined }} {{ list.append is defined }} {{ d.copy() == d }}",
    "{{ nested[1][1] }} {{ nested.1.0 }}", "{{ range(5)[2] }} {{ range(10)[2:8:3] }} {{ range(10)[-1] }} {{ range(3).stop }}", "{{ list[true] }} {{ d[none] is defined }} {{ list['x'] is defined }} {{ list[1.0] is defined }}",
    # slices
    "{{ list[::-1] }} {{ list[1:] }} {{ list[:-1] }} {{ list[-2:] }} {{ list[5:] }} {{ list[::2] }} {{ list[2:0:-1] }} {{ list[-100:100] }}", "{{ s[::-1] }} {{ s[1:4] }} {{ s[-3:] }} {{ s[::3] }} {{ uni[4:9] }} {{ uni[::-1] }}", "{{ (1, 2, 3)[1:] }}", "{{ list[::0] }}", "{{ d[1:] }}", "{{ nil[1:] }}", "{{ missing[1:] }}", "{{ list['a':] }}", "{{ list[none:2] }}", "{{ 'abc'[:none:none] }}",
    # if, set, with
    "{% if f %}1{% elif nil %}2{% elif t %}3{% else %}4{% endif %}", "{% if nothing %}a{% endif %}{% if not nod %}b{% endif %}{% if list %}c{% endif %}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}{% set (a, b) = [3, 4] %}{{ a }}{{ b }}", "{% set x %}  hi {{ n }} {% endset %}[{{ x }}]", "{% set x | upper | trim %} hi {% endset %}[{{ x }}]", "{% set x = 1, %}{{ x }}", "{% with a = 1, b = 2 %}{{ a + b }}{% set a = 5 %}{{ a }}{% endwith %}{{ a }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}",
    "{% set ns = namespace() %}{% set ns.x = 3 %}{{ ns.x }}{{ ns.y is defined }}{{ ns['x'] }}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}", "{% set d.x = 1 %}", "{% set ns = namespace(a=1) %}{% set ns.a, b = 5, 6 %}{{ ns.a }}{{ b }}", "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}banana{% endfilter %}", "{% autoescape false %}<{{ '<' }}{% endautoescape %}", "{% do list.index(1) %}x", "{% print n, s %}", "{% generation %}a{{ s }}{% set zz = 1 %}{% endgeneration %}{{ zz is defined }}",
    # scoping
    "{% set x = 1 %}{% for i in list %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% for i in list %}{% if i == 1 %}{% set found = i %}{% endif %}{{ found }}{% endfor %}{{ found is defined }}", "{% for s in list %}{{ s }}{% endfor %}{{ s }}", "{% for i in [1] %}{{ n }}{% endfor %}{% set n = 5 %}{{ n }}", "{{ n }}{% for i in [1] %}{{ n }}{% endfor %}{% set n = 5 %}{{ n }}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 5 %}{{ m() }}", "{% macro m() %}{{ zz }}{% endmacro %}{{ m() }}{% set zz = 5 %}{{ m() }}", "{% if f %}{% set n = 1 %}{% endif %}{{ n }}", "{% for x in [1, 2] %}{% set n = n ~ x %}{{ n }};{% endfor %}{{ n }}", "{% macro m() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% for i in [1, 2] %}{% macro m() %}<{{ i }}>{% endmacro %}{{ m() }}{% endfor %}", "{% set x = 0 %}{% for i in list %}{% set x = x + i %}{% endfor %}{{ x }}", "{% set s = s ~ '!' %}{{ s }}", "{% for i in [1] %}{% for j in [1] %}{{ n }}{% endfor %}{% set n = 9 %}{{ n }}{% endfor %}{{ n }}",
    "{% set a = 1 %}{% macro m(a) %}{{ a }}{% endmacro %}{{ m(2) }}{{ a }}{{ m() }}", "{% set x %}{% set inner = 1 %}{{ inner }}{% endset %}{{ x }}{{ inner is defined }}", "{% for i in [1, 2, 3] %}{{ seen }}{% set seen = i %}{% endfor %}",
    # for
    "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}", "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}", "{% for x in list if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}", "{% for x in list if x > 5 %}{{ x }}{% else %}none{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ loop.last }}{{ k }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}", "{% for c in uni %}{{ c }}.{% endfor %}",
    "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in list %}{% break %}{% else %}E{% endfor %}", "{% for x in list %}{% continue %}{% else %}E{% endfor %}", "{% for n in tree recursive %}[{{ n.v }}@{{ loop.depth }}{{ loop(n.kids) }}]{% endfor %}", "{% for (a, b) in nested %}{{ a }}{{ b }}{% endfor %}", "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for x in list %}{% for y in list %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}", "{% for x in list %}{{ loop }}{% endfor %}",
    "{% set ns = namespace(last=none) %}{% for m in messages if m.role != ns.last %}{{ m.role }} {% set ns.last = m.role %}{% endfor %}", "{% for m in messages if m.role == 'tool' %}{{ loop.first }}{{ loop.last }}{{ loop.nextitem is defined }};{% endfor %}", "{% for x in messages|selectattr('role', 'equalto', 'user') %}{{ loop.index }}{{ x.content }}{{ loop.last }}{% endfor %}", "{% for a, b in nested if a > 1 %}{{ loop.previtem is defined }}{{ a }}{% endfor %}", "{% for x in list %}{% set y %}a{% if x == 1 %}{% break %}{% endif %}b{% endset %}{{ y }}{% endfor %}", "{% for x in [] %}{% else %}{{ x }}e{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for x in list recursive %}{{ x }}{% endfor %}{% for x in list %}{{ loop(list) }}{% endfor %}", "{% for m in messages %}{{ loop.previtem.role if loop.previtem else '-' }}>{{ m.role }} {% endfor %}", "{% for x in list: %}{{ x }}{% endfor %}", "{% for x in nested|map('first') %}{{ x }}{{ loop.length }}{% endfor %}", "{% set g = list|map('string') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% else %}empty{% endfor %}",
    # macros
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=5) }}{{ m(b=1, a=2) }}{{ m() }}", "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x=1) }}", "{% macro m(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) m(3) %}{{ y * 2 }}{% endcall %}", "{% macro m() %}{{ caller() if caller }}{% endmacro %}{{ m() }}{% call m() %}in{% endcall %}", "{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{{ m() }}{% macro m() %}late{% endmacro %}", "{% macro m() %}  x  {% endmacro %}[{{ m()|trim }}]{{ m() is string }}{{ m }}{{ m.name }}{{ m.arguments }}",
    "{% macro m(a=list) %}{{ a }}{% endmacro %}{{ m() }}{{ m(*[1]) }}{{ m(**{'a': 2}) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{% set fn = m %}{{ fn(3) }}{{ m(a) }}", "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}{{ m(none) }}", "{% macro o() %}{% macro i() %}I{% endmacro %}{{ i() }}{% endmacro %}{{ o() }}{{ i is defined }}",
    # string methods
    "{{ s.upper() }}{{ s.lower() }}{{ s.swapcase() }}{{ 'hello world-foo bar\\'s'.title() }}{{ 'hELLO wORLD'.capitalize() }}{{ 'stra\u00dfe'.upper() }}{{ '\u00dfa'.title() }}{{ '\u00dfa'.capitalize() }}", "[{{ sp.strip() }}][{{ sp.lstrip() }}][{{ sp.rstrip() }}]{{ 'xxaxx'.strip('x') }}{{ 'abcba'.lstrip('ab') }}{{ 'abc'.rstrip('cb') }}{{ ' a '.strip(none) }}", "{{ 'a,b,,c'.split(',') }}{{ ' a  b c '.split() }}{{ 'a b c d'.split(' ', 2) }}{{ 'a b  c '.split(none, 1) }}{{ ''.split() }}{{ ''.split(',') }}{{ 'abc'.split('abc') }}{{ 'a,b,c'.split(',', maxsplit=1) }}", "{{ 'a b c d'.rsplit(' ', 1) }}{{ ' a  b c '.rsplit(none, 1) }}{{ 'aXXXb'.rsplit('XX') }}{{ 'a.b.c'.rsplit('.', 0) }}{{ 'aXXXXb'.rsplit('XX', 1) }}", "{{ 'abc'.split('') }}",
    "{{ s.startswith('Hello') }}{{ s.endswith(('x', 'World')) }}{{ s.startswith('World', 6) }}{{ s.startswith('o', 4, 5) }}{{ s.endswith('Hello', 0, 5) }}{{ s.startswith(()) }}{{ s.startswith('', 99) }}", "{{ s.startswith(1) }}", "{{ s.startswith(['H']) }}", "{{ s.find('o') }}{{ s.rfind('o') }}{{ s.find('z') }}{{ s.find('o', 5) }}{{ s.index('W') }}{{ uni.find('!') }}{{ s.count('l') }}{{ s.count('') }}{{ 'aaaa'.count('aa') }}{{ s.find('', 99) }}{{ s.find('') }}{{ s.rfind('') }}{{ s.count('o', 5) }}", "{{ s.index('zz') }}", "{{ s.replace('l', 'L') }}{{ s.replace('l', 'L', 2) }}{{ 'abc'.replace('', '-') }}{{ 'abc'.replace('', '-', 2) }}{{ ''.replace('', 'x') }}{{ 'aaa'.replace('aa', 'b') }}", "{{ multi.splitlines() }}{{ multi.splitlines(true) }}{{ 'a\\x0bb\\x0cc\\x1cd\\u2028e\\x85f'.splitlines() }}{{ ''.splitlines() }}{{ '\\n'.splitlines() }}",
    "{{ ', '.join(words) }}{{ ''.join('abc') }}{{ '-'.join(d) }}", "[{{ 'ab'.center(7) }}][{{ 'ab'.center(6, '*') }}][{{ 'abc'.center(6) }}][{{ 'ab'.ljust(5) }}][{{ 'ab'.rjust(5, '.') }}][{{ '42'.zfill(5) }}][{{ '-42'.zfill(5) }}][{{ '+1'.zfill(1) }}]", "{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'abc'.partition('-') }}{{ 'abc'.rpartition('-') }}{{ 'pre-x'.removeprefix('pre-') }}{{ 'x.py'.removesuffix('.py') }}", "{{ '12'.isdigit() }}{{ '\u00b2'.isdigit() }}{{ '\u00b2'.isdecimal() }}{{ '\u00bd'.isnumeric() }}{{ 'ab1'.isalnum() }}{{ 'ab1'.isalpha() }}{{ ' \\t'.isspace() }}{{ ''.isspace() }}{{ 'abc'.islower() }}{{ 'ABC1'.isupper() }}{{ '1'.isupper() }}{{ 'Ab Cd'.istitle() }}{{ 'a_1'.isidentifier() }}{{ 'ab'.isascii() }}{{ ctl.isprintable() }}", "{{ 'a\\tb'.expandtabs(4) }}{{ '\u00df'.casefold() }}",
    "{{ '{} {1}'.format(1, 2) }}", "{{ '{0} {1} {0} {x}'.format(1, 2, x='y') }}", "{{ '{:>5}|{:<5}|{:^5}|{:*^7}|{:05d}|{:+d}|{:,}|{:x}|{:#x}|{:b}|{:_}'.format('a', 'b', 'c', 'd', 42, 42, 1234567, 255, 255, 5, 1234567) }}", "{{ '{:.2f} {:8.3f} {:e} {:g} {:%} {:.3} {:.1f} {:g} {}'.format(pi, pi, 12345.678, 0.0001, 0.25, pi, 2.25, 1e20, pi) }}", "{{ '{0[a]} {0[b][1]} {{}} {!r} {x.y}'.format({'a': 1, 'b': [1, 2]}, x=1) }}", "{{ '{a} {b!r:>6}'.format(a=1, b='x') }}{{ '{:{w}}'.format('a', w=4) }}{{ '{a}'.format_map({'a': 3}) }}", "{{ '{'.format(1) }}", "{{ '{:d}'.format('a') }}", "{{ '{:s}'.format('abc') }}{{ '{:.2}'.format('abc') }}{{ '{:5}|'.format(true) }}{{ '{:d}'.format(true) }}{{ '{}'.format(none) }}", "{{ '{:.0f} {:.0f} {:.0f} {:.1e} {:G}'.format(0.5, 1.5, 2.5, 0.00015, 1e-10) }}", "{{ '{:,.2f} {:>10,} {:<8}| {:08.2f}'.format(1234567.891, 12345, 1.5, -3.14159) }}",
    "{{ '%s %d %5.2f|%-5s|%05d|%+d|%x|%o|%e|%g|%%|%r|%c' % ('a', 3.7, pi, 'b', 42, 5, 255, 8, 12345.678, 0.00001, 'q', 'z') }}", "{{ '%s' % 5 }}{{ '%s' % [1] }}{{ '%(a)s %(b)d' % {'a': 1, 'b': 2} }}", "{{ '%d' % 'a' }}", "{{ '%s %s' % 1 }}", "{{ '%s' % (1, 2) }}", "{{ '%5s|%.2s|%*d' % ('a', 'abc', 4, 7) }}", "{{ '%s' % missing }}{{ 'x' % [1] }}{{ '%i %u %X %#x %F %G' % (1, 2, 255, 255, 1.0, 1e-5) }}", "{{ 'x' % 1 }}", "{{ '%q' % 1 }}",
    # filters
    "{{ d|tojson }}", "{{ d|tojson(indent=2) }}", "{{ mixed|tojson(indent=4, sort_keys=true) }}{{ uni|tojson(ensure_ascii=true) }}{{ uni|tojson }}", "{{ [q, dq, both, ctl, multi, '/<>&']|tojson }}", "{{ [1.0, 1e-7, 1e16, n * 1e308, -0.0, big, true, none]|tojson }}", "{{ {1: 2, true: 3, none: 4, 1.5: 5}|tojson }}", "{{ list|tojson(separators=(',', ':')) }}{{ {'a': [1]}|tojson(separators=[',', ':']) }}{{ []|tojson(indent=2) }}{{ {}|tojson(indent=2) }}{{ [[], {}]|tojson(indent=1) }}", "{{ (1, 'a')|tojson }}{{ 'x'|tojson }}{{ nil|tojson }}", "{{ range(3)|tojson }}", "{{ {(1, 2): 3}|tojson }}", "{{ [1, [2]]|tojson(indent='\\t') }}{{ [1]|tojson(indent=0) }}",
    "[{{ sp|trim }}][{{ '  x '|trim }}]{{ 'xax'|trim('x') }}{{ 5|trim }}", "{{ s|length }}{{ list|count }}{{ d|length }}{{ uni|length }}{{ range(4)|length }}", "{{ 5|length }}", "{{ (list|map('string'))|length }}", "{{ nil|default('x') }}{{ nil|default('x', true) }}{{ ''|d('y', boolean=true) }}{{ missing|d }}{{ 0|default(1, true) }}", "{{ list|join }}{{ list|join(', ') }}{{ users|join('; ', attribute='name') }}{{ 'abc'|join('-') }}{{ d|join('|') }}", "{{ list|first }}{{ list|last }}{{ 'abc'|first }}{{ 'abc'|last }}{{ d|first }}{{ d|last }}", "{{ 'abc'|list }}{{ d|list }}{{ range(3)|list }}{{ d.items()|list }}", "{{ 5|string }}{{ nil|string }}{{ [1.0]|string }}",
    "{{ '42'|int }}{{ '42.9'|int }}{{ 'x'|int }}{{ 'x'|int(7) }}{{ '0x1f'|int(base=16) }}{{ '1f'|int(0, 16) }}{{ 3.99|int }}{{ -3.99|int }}{{ true|int }}{{ ' 12 '|int }}{{ '1_000'|int }}{{ nil|int }}{{ '0b11'|int(base=0) }}", "{{ '1.5'|float }}{{ 'x'|float }}{{ 3|float }}{{ 'x'|float(2) }}{{ ' -1e3 '|float }}{{ 'nan'|float }}{{ '-inf'|float }}{{ '1_0.5'|float }}{{ '.5'|float }}{{ '5.'|float }}{{ '0x10'|float }}{{ '1f'|float }}", "{{ s|upper }}{{ s|lower }}{{ 'foo bar'|title }}{{ 'foo-bar (baz) [qux] it\\'s {a <b'|title }}{{ 'FOO bar'|capitalize }}{{ 5|upper }}", "{{ s|replace('l', 'L') }}{{ s|replace('l', 'L', 1) }}{{ 112|replace(1, 'x') }}", "{{ 'abc'|reverse }}{{ list|reverse|list }}{{ uni|reverse }}{{ d|reverse|list }}{{ (list|reverse)[0] is defined }}", "{{ 5|reverse|list }}",
    "{{ list|sort }}{{ words|sort }}{{ words|sort(case_sensitive=true) }}{{ words|sort(reverse=true) }}{{ users[:3]|sort(attribute='age')|map(attribute='name')|list }}{{ users[:3]|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }}{{ users[:3]|sort(attribute='city.n')|map(attribute='name')|join }}", "{{ [1, 'a']|sort }}", "{{ words|unique|list }}{{ [1, 1.0, true, 2]|unique|list }}{{ words|unique(case_sensitive=true)|list }}{{ users[:3]|unique(attribute='age')|map(attribute='name')|list }}", "{{ list|min }}{{ list|max }}{{ words|min }}{{ words|max }}{{ users[:3]|max(attribute='age') }}{{ []|min }}", "{{ list|sum }}{{ [1.5, 2]|sum }}{{ users[:3]|sum(attribute='age') }}{{ list|sum(start=10) }}{{ [[1], [2]]|sum(start=[]) }}", "{{ ['a']|sum }}",
    "{{ users|map(attribute='age')|list }}{{ users|map(attribute='age', default=0)|list }}{{ words|map('upper')|list }}{{ nested|map(attribute=1)|list }}{{ nested|map(attribute='0')|list }}{{ words|map('replace', 'p', 'P')|join }}{{ users|map(attribute='city.n', default='?')|list }}", "{{ words|map('nope')|list }}", "{{ words|map(nope)|list }}", "{{ list|select('odd')|list }}{{ list|reject('odd')|list }}{{ [0, 1, '', 'a']|select|list }}{{ list|select('>', 1)|list }}{{ list|select('in', [1, 2])|list }}{{ list|reject('equalto', 2)|list }}", "{{ users|selectattr('age')|map(attribute='name')|list }}{{ users|selectattr('age', 'defined')|list|length }}{{ users|rejectattr('age', '==', 30)|map(attribute='name')|list }}{{ messages|selectattr('role', 'in', ['user', 'tool'])|list|length }}{{ users[:3]|selectattr('city.n', 'eq', 'Rome')|list|length }}", "{{ users|selectattr('city.n', 'eq', 'Rome')|first }}", "{% if messages|selectattr('role', 'equalto', 'zz') %}yes{% endif %}",
    "{{ d|items|list }}", "{% for k, v in 'abc'|items %}{% endfor %}", "{{ {'b': 2, 'A': 1, 'c': 0}|dictsort }}{{ {'b': 2, 'A': 1}|dictsort(true) }}{{ {'b': 2, 'A': 1}|dictsort(by='value') }}{{ {'b': 2, 'A': 1}|dictsort(reverse=true) }}", "{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb\\n\\nc'|indent(2, true, true) }}|{{ 'a\\nb'|indent('> ', first=true) }}|{{ ''|indent }}|{{ 'a\\n'|indent }}", "{{ '<a href=\"x\">\\'&</a>'|e }}{{ '<'|escape }}{{ 5|e }}{{ '<b>'|safe }}{{ '<b>'|forceescape }}", "{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 42.55|round(1, 'floor') }}{{ 42.51|round(1, 'ceil') }}{{ 5|round }}{{ 15|round(-1) }}{{ 25|round(-1) }}{{ -2.5|round }}{{ 1234.5|round(-2) }}{{ 5|round(method='ceil') }}{{ -0.4|round }}", "{{ -5|abs }}{{ 5.5|abs }}{{ neg|abs }}{{ true|abs }}", "{{ 'a'|abs }}",
    "{{ range(7)|batch(3)|list }}{{ range(7)|batch(3, 'x')|list }}{{ range(7)|slice(3)|list }}{{ range(7)|slice(3, 'x')|list }}{{ []|batch(2)|list }}{{ range(2)|slice(3)|list }}", "{% for c, us in users[:3]|groupby('age') %}{{ c }}:{{ us|map(attribute='name')|join(',') }};{% endfor %}{% for g in users|groupby('city.n', default='-') %}{{ g.grouper }}={{ g.list|length }};{% endfor %}{{ words|groupby('0') }}", "{{ '%s-%s'|format(1, 'b') }}{{ '%(a)s'|format(a=5) }}", "{{ 'foo bar baz qux'|truncate(9) }}|{{ 'foo bar baz qux'|truncate(9, true) }}|{{ 'foo bar baz qux'|truncate(11) }}|{{ 'foo bar baz qux'|truncate(11, false, '...', 0) }}|{{ 'foo bar baz qux'|truncate(5, end='', leeway=0) }}|{{ uni|truncate(6, true, '\u2026', 0) }}", "{{ 'a b, c_d e-f'|wordcount }}", "[{{ 'ab'|center(6) }}][{{ 'ab'|center|length }}]",
    "{{ 'The quick brown fox jumps over the lazy dog'|wordwrap(15) }}|{{ 'a verylongwordindeed b'|wordwrap(6) }}|{{ 'a verylongwordindeed b'|wordwrap(6, false) }}|{{ 'well-known state-of-the-art x'|wordwrap(8) }}|{{ 'aa bb\\n\\ncc dd'|wordwrap(3, wrapstring='~') }}|{{ '  lead and   gaps here'|wordwrap(7) }}", "{{ 'a b&c/d=\u00e9'|urlencode }}{{ {'a b': 'c/d', 'e': 1}|urlencode }}", "{{ d|attr('b') is defined }}{{ s|attr('upper') is callable }}", "{{ users|map(attribute='name')|map('upper')|select('ne', 'BOB')|join('+') }}",
    # tests
    "{{ n is number }}{{ pi is number }}{{ t is number }}{{ s is number }}{{ n is integer }}{{ t is integer }}{{ pi is float }}{{ n is float }}{{ t is boolean }}{{ n is boolean }}{{ big is integer }}", "{{ s is string }}{{ nil is none }}{{ d is mapping }}{{ list is mapping }}{{ list is sequence }}{{ s is sequence }}{{ d is sequence }}{{ n is sequence }}{{ list is iterable }}{{ n is iterable }}{{ d.items() is sequence }}{{ d.items() is iterable }}{{ range(3) is sequence }}{{ nil is iterable }}", "{{ t is true }}{{ f is false }}{{ 1 is true }}{{ 0 is false }}{{ t is sameas true }}{{ 1 is sameas true }}{{ nil is sameas none }}", "{{ 3 is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(4) }}{{ 5 is eq 5 }}{{ 5 is ne 5 }}{{ 5 is lt 6 }}{{ 5 is le 5 }}{{ 5 is gt 6 }}{{ 5 is ge 5 }}{{ 5 is greaterthan 4 }}{{ 5 is equalto 5.0 }}{{ 1 is in [1, 2] }}{{ 'a' is in 'abc' }}{{ 3 is not odd }}", "{{ 'abc' is lower }}{{ 'ABC' is upper }}{{ 'upper' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}{{ 'nope' is test }}{{ range is callable }}{{ s.upper is callable }}{{ s is callable }}", "{{ s is defined and n is not none }}{{ s is string and s is not mapping }}", "{{ 'a' is odd }}", "{{ 1 is defined is none }}", "{{ not s is string }}{{ s is not string is defined }}", "{{ 'x' if s is string else 'y' }}{{ n is number or f }}", "{{ 4 is divisibleby 2 and true }}{{ [1] is sameas [1] }}",
    # globals
    "{{ range(3)|list }}{{ range(5, 1, -2)|list }}{{ range(0)|list }}{{ range(2, 8)|sum }}", "{{ range(1, 2, 0) }}", "{{ range('a') }}", "{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}{{ dict([['k', 'v']]) }}{{ dict() }}", "{% set j = joiner(', ') %}{% for x in list %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.current }}",
    # syntax errors
    "{{ ", "{% if %}", "{% if t %}", "{% endif %}", "{% foo %}", "{{ 1 + }}", "{{ 'a }}", "{# x", "{% raw %}", "{{ a b }}", "{{ (1 }}", "{{ 1) }}", "{{ [1, }}", "{{ x|nope }}", "{{ x is nope }}", "{% if t %}{{ x|nope }}{% endif %}",
    "{% if f %}{{ x|nope }}{% endif %}ok", "{{ 1 if t else x|nope }}", "{% for x in list %}{% endif %}", "{% set 1 = 2 %}", "{% set true = 2 %}", "{% for loop in list %}{% endfor %}", "{% break %}", "{{ a.'b' }}", "{{ @ }}", "{{ 01 }}", "{{ f(a=1, 2) }}", "{{ f(**a, *b) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro 1() %}{% endmacro %}", "{% call 1 %}{% endcall %}", "{{ a and not }}", "{{ 1 === 2 }}", "{% else %}", "{{ '\\x4' }}", "{% for in list %}{% endfor %}", "{{ a[1:2, 3] }}",
    "{{ x ? y : z }}", "{{ a[ }}", "{% set x %}", "{{ a == not b }}", "{% for x in list %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% if t %}{% elif %}{% endif %}", "{% for a.b in list %}{% endfor %}", "{{ {1, 2} }}", "{{ a! }}",
    # a whole conversation
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content is string %}{{ m.content|trim }}{% endif %}{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments|items %}{{ k }}={{ v|tojson if v is not string else v }}{{ ', ' if not loop.last }}{% endfor %}){% endfor %}{% endif %}\n{% endfor %}",
    "{%- set ns = namespace(last=-1) %}{%- for m in messages[::-1] %}{%- if m.role == 'user' and ns.last < 0 %}{%- set ns.last = messages|length - 1 - loop.index0 %}{%- endif %}{%- endfor %}{{ ns.last }}",
]


def outcome(source):
    try:
        return {"output": environment().from_string(source).render(**copy.deepcopy(VARIABLES))}
    except (jinja2.exceptions.TemplateSyntaxError, SyntaxError) as e:
        return {"error": "SYNTAX"}
    except Rejected as e:
        return {"error": "REJECTED", "message": str(e)}
    except Exception as e:  # whatever Python raises, the template could not be rendered
        return {"error": "EVALUATION", "message": str(e)}


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    cases = [{"template": source, **outcome(source)} for source in dict.fromkeys(TEMPLATES)]
    with open(os.path.join(here, "cases.json"), "w", encoding="utf-8", newline="\n") as out:
        out.write('{"made_with": "jinja2 %s",\n"variables": %s,\n"cases": [\n' % (jinja2.__version__, json.dumps(VARIABLES)))
        out.write(",\n".join(json.dumps(case) for case in cases))
        out.write("\n]}\n")
