package dev.yuzui.grammar;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Schemas with values that they allow and that they do not, a keyword or two each. */
final class SchemaCases {
  private SchemaCases() {}

  record Case(String schema, List<String> valid, List<String> invalid) {}

  /** Single quotes stand for double ones; values are divided by a bar. */
  private static Case of(String schema, String valid, String invalid) {
    return new Case(quoted(schema), values(valid), values(invalid));
  }

  private static String quoted(String text) {
    return text.replace('\'', '"');
  }

  private static List<String> values(String text) {
    return Arrays.stream(text.split("\\|"))
        .map(String::strip)
        .filter(v -> !v.isEmpty())
        .map(SchemaCases::quoted)
        .toList();
  }

  static Stream<Case> all() {
    return Stream.concat(Stream.concat(scalars(), containers()), logic());
  }

  private static Stream<Case> scalars() {
    return Stream.of(
        of("{'type':'null'}", "null", "0|''|false"),
        of("{'type':['boolean','null']}", "true|false|null", "0|'true'"),
        of("{'type':'integer'}", "0|-12|100", "1.5|'1'"),
        of("{'type':'number'}", "0|-1.25|1e3|12345678901234567890", "'1'|true"),
        of("{'type':'integer','minimum':-5,'maximum':120}", "-5|0|99|120", "-6|121|1000"),
        of("{'type':'integer','exclusiveMinimum':9,'exclusiveMaximum':12}", "10|11", "9|12"),
        of(
            "{'$schema':'http://json-schema.org/draft-04/schema#','minimum':5,'exclusiveMinimum':true}",
            "6|5.1|'x'",
            "5|4"),
        of("{'type':'number','minimum':0.25,'maximum':3.5}", "0.25|0.3|3.5|1", "0.24|3.51|4|-1"),
        of("{'type':'number','maximum':-0.5}", "-0.5|-1|-0.51", "-0.4|0|1"),
        of("{'type':'integer','multipleOf':7}", "0|7|-14|700", "1|15"),
        of("{'type':'number','multipleOf':0.05}", "0|0.05|1.15|3", "0.01|1.12"),
        of("{'multipleOf':2.5,'type':'number'}", "2.5|5|-7.5", "1|2.4"),
        of("{'not':{'multipleOf':3}}", "1|4.5|-2", "3|0|-9|'x'"),
        of("{'type':'string','minLength':2,'maxLength':3}", "'ab'|'é世😀'", "'a'|'abcd'"),
        of("{'type':'string','maxLength':2}", "''|'\\n\\t'", "'abc'"),
        of("{'type':'string','pattern':'^[a-z]+$','maxLength':3}", "'abc'", "'abcd'|''|'A'"),
        of("{'type':'string','pattern':'b.d'}", "'abcde'|'bxd'", "'bd'|'bcx'"),
        of("{'type':'string','pattern':'^a|z$'}", "'ab'|'yz'", "'ba'"),
        of("{'pattern':'^\\\\d{3}$'}", "'123'|1|null", "'12'"),
        of(
            "{'type':'string','format':'date'}",
            "'2024-02-29'|'1999-12-31'",
            "'2023-02-29'|'2024-13-01'|'x'"),
        of(
            "{'type':'string','format':'time'}",
            "'23:59:59Z'|'01:02:03.5+02:00'",
            "'24:00:00Z'|'1:2:3'"),
        of(
            "{'type':'string','format':'date-time'}",
            "'2024-01-31T01:02:03Z'",
            "'2024-01-31'|'2024-02-31T01:02:03Z'"),
        of("{'type':'string','format':'email'}", "'a.b@c-d.org'", "'a.b'|'@c'|'a b@c'"),
        of(
            "{'type':'string','format':'uuid'}",
            "'123e4567-e89b-12d3-a456-426614174000'",
            "'123e4567'"),
        of(
            "{'type':'string','format':'uri'}",
            "'https://a.b/c?d=e#f'|'mailto:x@y'|'urn:a:b'|'http://[::1]:80/'",
            "'/a'|'a b:c'|'http://[CE]'"),
        of("{'type':'string','format':'ipv4'}", "'127.0.0.1'|'255.0.10.1'", "'256.1.1.1'|'1.2.3'"),
        of(
            "{'type':'string','format':'ipv6'}",
            "'::1'|'2001:db8::8:800:200c:417a'|'::ffff:1.2.3.4'",
            "'1::2::3'|'12345::'|'1:2:3'"),
        of("{'type':'string','format':'hostname'}", "'a.example'|'x-1'", "'-a'|'a_b'"),
        of("{'type':'string','format':'duration'}", "'P3D'|'PT1H30M'|'P1Y2M'", "'P'|'3D'"),
        of("{'format':'something of ours'}", "'anything'|1", ""),
        of(
            "{'enum':['a','b\\\"c',1,2.50,null,[1,{'x':[]}]]}",
            "'a'|'b\\\"c'|1|2.5|null|[1,{'x':[]}]",
            "'c'|3|[1,{'x':[1]}]|[1]"),
        of("{'enum':['ab','abc','b'],'maxLength':2}", "'ab'|'b'", "'abc'"),
        of(
            "{'const':{'b':1,'a':[true]}}",
            "{'b':1,'a':[true]}|{'a':[true],'b':1}",
            "{'b':1}|{'b':1,'a':[true],'c':0}"),
        of("{'enum':[1,2,3],'minimum':2,'type':'integer'}", "2|3", "1|4"));
  }

  private static Stream<Case> containers() {
    return Stream.of(
        of(
            "{'type':'object','properties':{'a':{'type':'integer'},'b':{}},'required':['b']}",
            "{'b':1}|{'a':1,'b':2}|{'b':1,'c':2}",
            "{}|{'a':1}|{'a':'x','b':1}"),
        of("{'type':'object','required':['x']}", "{'x':null}|{'a':1,'x':2}", "{}|{'y':1}"),
        of(
            "{'type':'object','properties':{'a':{}},'additionalProperties':false}",
            "{}|{'a':1}",
            "{'b':1}"),
        of(
            "{'type':'object','properties':{'a':{}},'additionalProperties':{'type':'null'}}",
            "{'a':1,'b':null}",
            "{'b':1}"),
        of(
            "{'type':'object','patternProperties':{'^x':{'type':'integer'},'y$':{'minimum':5}},'additionalProperties':false}",
            "{'x':1}|{'xy':5}|{'y':'z'}",
            "{'xy':4}|{'x':'a'}|{'z':1}"),
        of(
            "{'type':'object','properties':{'xa':{'maximum':3}},'patternProperties':{'^x':{'type':'integer'}}}",
            "{'xa':3}|{'b':'c'}",
            "{'xa':4}|{'xa':1.5}|{'xb':'c'}"),
        of(
            "{'type':'object','propertyNames':{'pattern':'^[a-z]$'}}",
            "{'a':1,'b':2}|{}",
            "{'ab':1}"),
        of(
            "{'type':'object','minProperties':1,'maxProperties':2}",
            "{'a':1}|{'a':1,'b':2}",
            "{}|{'a':1,'b':2,'c':3}"),
        of(
            "{'type':'object','properties':{'a':{},'b':{},'c':{}},'minProperties':2,'additionalProperties':false}",
            "{'a':1,'c':1}|{'b':1,'c':1}",
            "{'a':1}|{}"),
        of(
            "{'type':'object','properties':{'a':{},'b':{}},'dependentRequired':{'a':['b']}}",
            "{'b':1}|{'a':1,'b':1}|{}",
            "{'a':1}"),
        of(
            "{'type':'object','properties':{'a':{},'b':{}},'dependencies':{'a':{'properties':{'b':{'type':'integer'}}}}}",
            "{'b':'x'}|{'a':1,'b':1}",
            "{'a':1,'b':'x'}"),
        of(
            "{'type':'object','properties':{'a':{}},'unevaluatedProperties':false}",
            "{'a':1}",
            "{'b':1}"),
        of("{'type':'array','items':{'type':'integer'}}", "[]|[1,2]", "['a']|[1,null]"),
        of("{'type':'array','minItems':1,'maxItems':2}", "[1]|[1,'a']", "[]|[1,2,3]"),
        of(
            "{'type':'array','prefixItems':[{'type':'integer'},{'type':'string'}],'items':false}",
            "[]|[1]|[1,'a']",
            "['a']|[1,'a',2]"),
        of(
            "{'$schema':'http://json-schema.org/draft-07/schema#','type':'array','items':[{'type':'integer'}],'additionalItems':{'type':'null'}}",
            "[1]|[1,null]",
            "[1,2]|[null]"),
        of(
            "{'type':'array','uniqueItems':true,'items':{'enum':['a','b',1]}}",
            "[]|['a',1]|['b','a',1]",
            "['a','a']|[1,1]"),
        of("{'type':'array','contains':{'const':7}}", "[7]|[1,7,2]|[7,7]", "[]|[1]"),
        of(
            "{'type':'array','contains':{'type':'integer'},'minContains':2,'items':{'type':['integer','null']}}",
            "[1,2]|[null,1,null,2]",
            "[1]|[null,1]"),
        of(
            "{'$ref':'#/$defs/node','$defs':{'node':{'type':'object','properties':{'next':{'$ref':'#/$defs/node'}},'additionalProperties':false}}}",
            "{}|{'next':{'next':{}}}",
            "{'next':1}|{'next':{'next':[]}}"),
        of(
            "{'type':'object','properties':{'a':{'$ref':'#b'}},'$defs':{'x':{'$anchor':'b','type':'null'}}}",
            "{'a':null}",
            "{'a':1}"),
        of(
            "{'$id':'https://example.org/root','items':{'$ref':'item'},'$defs':{'x':{'$id':'item','type':'integer'}}}",
            "[1]",
            "['a']"),
        of(
            "{'$schema':'http://json-schema.org/draft-07/schema#','items':{'$ref':'#/definitions/a','minimum':5},'definitions':{'a':{'type':'integer'}}}",
            "[1]",
            "['a']"),
        of(
            "{'items':{'$ref':'#/$defs/a','minimum':5},'$defs':{'a':{'type':'integer'}}}",
            "[5]",
            "[1]|['a']"),
        of(
            "{'items':{'$ref':'#/$defs/a~1b%25'},'$defs':{'a/b%':{'type':'integer'}}}",
            "[1]", "['a']"));
  }

  private static Stream<Case> logic() {
    return Stream.of(
        of("{'anyOf':[{'type':'string'},{'type':'integer','minimum':2}]}", "'a'|2", "1|null"),
        of("{'allOf':[{'minLength':2},{'pattern':'^a'}],'type':'string'}", "'ab'", "'a'|'ba'"),
        of(
            "{'allOf':[{'properties':{'a':{'type':'integer'}}},{'properties':{'a':{'minimum':3}},'required':['a']}],'type':'object'}",
            "{'a':3}",
            "{'a':2}|{}"),
        of(
            "{'oneOf':[{'type':'integer','minimum':2},{'type':'integer','maximum':5}]}",
            "1|6",
            "3|'a'"),
        of(
            "{'oneOf':[{'required':['a']},{'required':['b']}],'type':'object'}",
            "{'a':1}|{'b':1}",
            "{}|{'a':1,'b':1}"),
        of(
            "{'oneOf':[{'properties':{'t':{'const':'x'},'v':{'type':'integer'}},'required':['t','v']},{'properties':{'t':{'const':'y'},'v':{'type':'string'}},'required':['t','v']}]}",
            "{'t':'x','v':1}|{'t':'y','v':'a'}",
            "{'t':'x','v':'a'}|{'t':'z','v':1}"),
        of(
            "{'oneOf':[{'type':'string'},{'type':'string','format':'date'}]}",
            "'a'",
            "'2024-01-01'"),
        of("{'not':{'type':['string','object']}}", "1|[]|null", "'a'|{}"),
        of("{'not':{'const':'a'},'type':'string'}", "'b'|''|'aa'", "'a'"),
        of("{'not':{'required':['a','b']},'type':'object'}", "{'a':1}|{'b':1}|{}", "{'a':1,'b':2}"),
        of(
            "{'not':{'properties':{'a':{'type':'integer'}}},'type':'object'}",
            "{'a':'x'}",
            "{'a':1}|{}"),
        of("{'type':'integer','not':{'enum':[1,2]}}", "3|0", "1|2"),
        of(
            "{'type':'object','properties':{'k':{'enum':['a','b']},'v':{}},'required':['k'],'if':{'properties':{'k':{'const':'a'}}},'then':{'required':['v']},'else':{'properties':{'v':{'type':'null'}}}}",
            "{'k':'a','v':1}|{'k':'b'}|{'k':'b','v':null}",
            "{'k':'a'}|{'k':'b','v':1}"),
        of("{'not':{'items':{'type':'integer'}},'type':'array'}", "['a']|[1,'a']", "[]|[1]"),
        of("true", "1|'a'|{}|[null]", ""),
        of("{'title':'a','unknown keyword':{'type':'nothing'},'default':5}", "1|'a'", ""));
  }
}
