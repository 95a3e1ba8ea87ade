package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What templates may do, with the outcome Python's Jinja 3.1 has under transformers' settings. */
class JinjaTest {

  static Stream<Arguments> rendered() {
    return Stream.of(
        // whitespace
        Arguments.of("{% if t %}\n  a\n  {% endif %}\nb", "  a\nb"),
        Arguments.of("a {% if t %} b {% endif %} c", "a  b  c"),
        Arguments.of("a\n\n{%- if t -%}\n\nb\n\n{%- endif %}", "ab"),
        Arguments.of("a\n  {%+ if t %}b{% endif +%}\nc", "a\n  b\nc"),
        Arguments.of("{{ t }}\n{{ f }}\n", "True\nFalse"),
        Arguments.of("{{- 'a' -}}  \n {{ 'b' }}", "ab"),
        Arguments.of("a\n  {# note #}\nb{# {% x %} -#}  c", "a\nbc"),
        Arguments.of("{% raw %}{{ x }}{% endraw %}|{ {{ 'a' }}", "{{ x }}|{ a"),
        Arguments.of("{{ '}}' }}{{ {'a': {'b': 1}}['a']['b'] }}", "}}1"),
        // values
        Arguments.of("{{ n }}|{{ u }}|{{ m.no }}|{{ 'x' if f }}", "None|||"),
        Arguments.of("{{ [1, 'a', none, true] }}{{ m }}", "[1, 'a', None, True]{'a': 1, 'b': 'x'}"),
        Arguments.of(
            "{{ u or 'x' }}{{ n or 'y' }}{{ u | default('z') }}{{ '' | d('w', true) }}", "xyzw"),
        Arguments.of(
            "{{ not u is defined }}{{ n is none }}{{ n is defined }}{{ m.no is none }}",
            "TrueTrueTrueFalse"),
        Arguments.of("{{ t and 'a' not in 'xyz' }}{{ 'a' in m }}{{ 1 in [1] }}", "TrueTrueTrue"),
        Arguments.of(
            "{{ l[-1].a }}{{ l[1:] | length }}{{ 'abc'[:2] }}{{ 'abc'[::-1] }}", "32abcba"),
        // methods
        Arguments.of("{{ 'a</t>b</t>c'.split('</t>')[-1] }}{{ 'a.b.c'.split('.', 1)[1] }}", "cb.c"),
        Arguments.of(
            "{{ 'a.b.c'.rsplit('.', 1) }}{{ ' a  b '.split() }}", "['a.b', 'c']['a', 'b']"),
        Arguments.of(
            "{{ '\\n a\\n'.strip() }}{{ '\\n\\nb\\n'.lstrip('\\n').rstrip('\\n') }}", "ab"),
        Arguments.of("{{ m.get('a') }}{{ m.get('z') }}{{ m.get('z', 'd') }}", "1Noned"),
        Arguments.of("{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=x;"),
        // loops
        Arguments.of(
            "{% for x in l %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }} {% endfor %}",
            "0TrueFalse 1FalseFalse 2FalseTrue "),
        Arguments.of(
            "{% for x in l if x.a != 2 %}{{ loop.index }}{{ x.a }} {% endfor %}", "11 23 "),
        Arguments.of("{% for k, v in m.items() if k == 'b' %}{{ v }}{% endfor %}", "x"),
        Arguments.of("{% for x in [] %}a{% else %}none{% endfor %}", "none"),
        Arguments.of(
            "{% for x in l if x.a > 9 %}a{% else %}{% if t %}b{% else %}c{% endif %}{% endfor %}",
            "b"),
        Arguments.of(
            "{% for x in l %}{% if x.a == 2 %}{% continue %}{% endif %}{{ x.a }}{% endfor %}",
            "13"),
        Arguments.of(
            "{% set ns = namespace(s=0) %}{% for x in l %}{% set ns.s = ns.s + x.a %}"
                + "{% endfor %}{{ ns.s }}",
            "6"),
        Arguments.of("{% for x in l %}{% set y = 1 %}{% endfor %}{{ y is defined }}", "False"),
        Arguments.of(
            "{% macro f(a, b='z') -%}\n [{{ a }}{{ b }}]\n{%- endmacro %}{{ f('x') + f(1, b=2) }}",
            "[xz][12]"),
        Arguments.of("{% generation %}a{% endgeneration %}", "a"),
        // JSON
        Arguments.of(
            "{{ m | tojson }}{{ [n, 'é<\"'] | tojson }}",
            "{\"a\": 1, \"b\": \"x\"}[null, \"é<\\\"\"]"),
        Arguments.of("{{ m | tojson(indent=2) }}", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"),
        Arguments.of("{{ 'é' | tojson(ensure_ascii=True) }}", "\"\\u00e9\""));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rendered")
  void rendersAsJinja(String template, String expected) {
    assertEquals(expected, render(template));
  }

  @Test
  void whatAMessageSaysIsNeverATemplate() {
    String text = "{{ 7 * 7 }}{% if t %}{% endif %}{# x #}";
    String template =
        "{% macro f(a) %}{{ a }}{% endmacro %}{% set z = said %}{{ z }}|{{ f(said) }}";
    Map<String, Object> variables = new HashMap<>(Map.of("said", text));
    assertEquals(text + "|" + text, new Jinja(template).render(variables));
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        Arguments.of("a\nb{{ n + 'x' }}", "line 2: None is no text"),
        Arguments.of(
            "{% if t %}\n\n{{ u + 'x' }}{% endif %}", "line 3: a value that is not defined"),
        Arguments.of("{{ u.a }}", "a value that is not defined has no \"a\""),
        Arguments.of("{{ n['a'] }}", "None has no \"a\""),
        Arguments.of("{{ 'a' + m }}", "a mapping is no text"),
        Arguments.of("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        Arguments.of("{{ 'a' | nosuch }}", "no filter \"nosuch\""),
        Arguments.of("{{ 'a' ", "expected }}, found the end"),
        Arguments.of("{% for x %}{% endfor %}", "expected {% for NAME in LIST %}"),
        Arguments.of("{% endif %}", "closes nothing"),
        Arguments.of("{% filter upper %}a{% endfilter %}", "Unknown tag: filter"),
        // no way out
        Arguments.of("{{ ''.getClass() }}", "no method getClass() of a string"),
        Arguments.of("{{ m.getClass().forName('x') }}", "no method getClass()"),
        Arguments.of("{{ ____int3rpr3t3r____.context }}", "a template may not use context"),
        Arguments.of("{% include '/etc/passwd' %}", "'include' is disabled"),
        Arguments.of("{% import 'x' as y %}", "'import' is disabled"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refused")
  void refusesWithTheLineAndTheReason(String template, String reason) {
    var e = assertThrows(TextException.class, () -> render(template));
    assertTrue(e.getMessage().contains(reason), e.getMessage());
  }

  @Test
  void aTemplateThatWritesWithoutEndIsStopped() {
    String loops =
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ s }}{% endfor %}{% endfor %}";
    Assertions.assertTimeoutPreemptively(
        Duration.ofMinutes(5),
        () ->
            assertThrows(
                TextException.class,
                () -> new Jinja(loops).render(new HashMap<>(Map.of("s", "x".repeat(1 << 20))))));
  }

  @Test
  void aTemplateThatNeverEndsIsStopped() {
    String loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    Assertions.assertTimeoutPreemptively(
        Duration.ofMinutes(5),
        () -> {
          Jinja jinja = new Jinja(loops, Duration.ofMillis(300));
          var e = assertThrows(TextException.class, () -> jinja.render(Map.of()));
          assertTrue(e.getMessage().contains("not done after"), e.getMessage());
        });
  }

  private static String render(String template) {
    Map<String, Object> variables = new HashMap<>();
    variables.put("t", true);
    variables.put("f", false);
    variables.put("n", null);
    variables.put("m", new TreeMap<>(Map.of("a", 1, "b", "x")));
    variables.put("l", Arrays.asList(Map.of("a", 1), Map.of("a", 2), Map.of("a", 3)));
    return new Jinja(template).render(variables);
  }
}
