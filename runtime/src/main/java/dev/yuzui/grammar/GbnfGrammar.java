package dev.yuzui.grammar;

import dev.yuzui.grammar.GbnfParser.Node;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** GBNF as expressions: rules that do not lead back to themselves are terminals. */
final class GbnfGrammar {
  private final Map<String, Node> nodes;
  private final TextEncoding encoding;
  private final RegexPool pool;
  private final Budget budget;
  private final Set<String> regular = new HashSet<>();
  private final Map<String, Regex> regexes = new HashMap<>();
  private final Map<String, Expr.Rule> rules = new HashMap<>();

  private GbnfGrammar(Map<String, Node> nodes, TextEncoding encoding, Budget budget) {
    this.nodes = nodes;
    this.encoding = encoding;
    this.budget = budget;
    pool = encoding.pool;
  }

  static Expr of(String text, TextEncoding encoding, Budget budget) {
    GbnfGrammar grammar = new GbnfGrammar(GbnfParser.parse(text, budget), encoding, budget);
    grammar.findRegular();
    return grammar.expr(new Node.Ref("root"));
  }

  /** The least fixed point: a rule is regular if all that it names are. */
  private void findRegular() {
    boolean changed = true;
    while (changed) {
      changed = false;
      for (Map.Entry<String, Node> rule : nodes.entrySet()) {
        if (!regular.contains(rule.getKey()) && regular(rule.getValue())) {
          changed |= regular.add(rule.getKey());
        }
      }
    }
  }

  private boolean regular(Node node) {
    return switch (node) {
      case Node.One _ -> true;
      case Node.Seq seq -> seq.parts().stream().allMatch(this::regular);
      case Node.Alt alt -> alt.parts().stream().allMatch(this::regular);
      case Node.Repeat repeat -> regular(repeat.part());
      case Node.Ref ref -> regular.contains(ref.rule());
    };
  }

  private Regex regex(Node node) {
    budget.spend();
    return switch (node) {
      case Node.One one -> encoding.one(one.set());
      case Node.Seq seq -> pool.concat(seq.parts().stream().map(this::regex).toArray(Regex[]::new));
      case Node.Alt alt -> pool.alt(alt.parts().stream().map(this::regex).toList());
      case Node.Repeat repeat -> pool.repeat(regex(repeat.part()), repeat.min(), repeat.max());
      case Node.Ref ref -> {
        Regex found = regexes.get(ref.rule());
        if (found == null) {
          found = regex(nodes.get(ref.rule()));
          regexes.put(ref.rule(), found);
        }
        yield found;
      }
    };
  }

  private Expr expr(Node node) {
    budget.spend();
    if (regular(node)) {
      return new Expr.Lexeme(regex(node));
    }
    return switch (node) {
      case Node.One _ -> throw new IllegalStateException();
      case Node.Seq seq -> sequence(seq.parts());
      case Node.Alt alt -> new Expr.Alt(alt.parts().stream().map(this::expr).toList());
      case Node.Repeat repeat -> new Expr.Repeat(expr(repeat.part()), repeat.min(), repeat.max());
      case Node.Ref ref -> {
        Expr.Rule found = rules.get(ref.rule());
        if (found == null) {
          found = new Expr.Rule(ref.rule());
          rules.put(ref.rule(), found);
          found.body(expr(nodes.get(ref.rule())));
        }
        yield found;
      }
    };
  }

  /** Terminals that follow each other are one. */
  private Expr sequence(List<Node> parts) {
    List<Expr> result = new ArrayList<>();
    Regex open = pool.empty;
    for (Node part : parts) {
      if (regular(part)) {
        open = pool.concat(open, regex(part));
      } else {
        if (open != pool.empty) {
          result.add(new Expr.Lexeme(open));
          open = pool.empty;
        }
        result.add(expr(part));
      }
    }
    if (open != pool.empty) {
      result.add(new Expr.Lexeme(open));
    }
    return new Expr.Seq(result);
  }
}
