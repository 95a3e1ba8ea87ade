/**
 * What a text may be, as a mask of the tokens that may come next. {@link
 * dev.yuzui.grammar.GrammarCompiler} turns a {@link dev.yuzui.grammar.GrammarSource} (JSON Schema,
 * GBNF, a regular expression, choices) into an immutable {@link dev.yuzui.grammar.Grammar}; each
 * sequence has a {@link dev.yuzui.grammar.GrammarState}.
 *
 * <p>Terminals are regular expressions over bytes whose derivatives are the states of a lazy DFA.
 * Around them lies a pushdown automaton; its configurations, sets of a terminal's state and a stack
 * that is shared, are interned, so that the whole is a lazy DFA too. A mask joins what each
 * terminal's state allows inside the terminal, made once for every grammar, and a small trie of
 * what tokens say behind the terminal's end.
 */
package dev.yuzui.grammar;
