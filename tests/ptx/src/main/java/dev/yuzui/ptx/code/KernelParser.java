package dev.yuzui.ptx.code;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads one kernel: its head, then statement after statement of its body. */
final class KernelParser {
  private static final Pattern PARAMETER = Pattern.compile("\\.param \\.(\\w+) (\\w+)");
  private static final Pattern MAX_THREADS =
      Pattern.compile("\\.(?:max|req)ntid (\\d+)(?:, (\\d+), (\\d+))?");
  private static final Pattern VARIABLE =
      Pattern.compile("\\.(shared|local) \\.align (\\d+) \\.(\\w+) ([\\w$]+)(?:\\[(\\d+)])?");
  private static final Pattern REGISTERS = Pattern.compile("\\.reg \\.(\\w+) (.*)");
  private static final Pattern RANGE = Pattern.compile("(\\S+)<(\\d+)>");
  private static final Pattern GUARDED = Pattern.compile("@(!?)(\\S+)\\s+(.*)");
  private static final int MOST_THREADS = 1024;

  private final String target;
  private final List<KernelCode.Variable> shared;
  private final List<KernelCode.Variable> dynamic;
  private final List<KernelCode.Table> tables;
  private final List<KernelCode.Variable> local = new ArrayList<>();
  private final Map<PtxType.Bank, Integer> counts = new EnumMap<>(PtxType.Bank.class);
  private final Deque<Map<String, Operand.Register>> scopes = new ArrayDeque<>();
  private final Map<String, Integer> labels = new HashMap<>();
  private final List<Instruction> instructions = new ArrayList<>();

  KernelParser(
      String target,
      List<KernelCode.Variable> shared,
      List<KernelCode.Variable> dynamic,
      List<KernelCode.Table> tables) {
    this.target = target;
    this.shared = new ArrayList<>(shared);
    this.dynamic = List.copyOf(dynamic);
    this.tables = List.copyOf(tables);
    for (PtxType.Bank bank : PtxType.Bank.values()) {
      counts.put(bank, 0);
    }
  }

  KernelCode parse(String name, String text) {
    int open = text.indexOf('{');
    String head = text.substring(0, open);
    body(text.substring(open + 1, text.lastIndexOf('}')));
    List<KernelCode.Parameter> parameters = new ArrayList<>();
    Matcher m = PARAMETER.matcher(head);
    while (m.find()) {
      parameters.add(new KernelCode.Parameter(m.group(2), PtxType.of(m.group(1))));
    }
    Matcher bound = MAX_THREADS.matcher(head);
    int most = bound.find() ? Integer.parseInt(bound.group(1)) : MOST_THREADS;
    return new KernelCode(
        name, target, most, parameters, shared, dynamic, local, tables, counts, resolved());
  }

  /** Braces at the start of a statement open a scope of names; others belong to operands. */
  private void body(String text) {
    scopes.push(new HashMap<>());
    int from = 0;
    for (int i = 0; i < text.length(); i++) {
      switch (text.charAt(i)) {
        case ';' -> {
          statement(text.substring(from, i).strip());
          from = i + 1;
        }
        case ':' -> {
          String label = text.substring(from, i).strip();
          if (label.startsWith("$")) {
            labels.put(label, instructions.size());
            from = i + 1;
          }
        }
        case '{' -> {
          if (text.substring(from, i).isBlank()) {
            scopes.push(new HashMap<>());
            from = i + 1;
          } else {
            i = text.indexOf('}', i);
          }
        }
        case '}' -> {
          scopes.pop();
          from = i + 1;
        }
        default -> {}
      }
    }
  }

  private void statement(String s) {
    if (s.startsWith(".reg")) {
      registers(s);
    } else if (s.startsWith(".shared") || s.startsWith(".local")) {
      variable(s);
    } else if (s.startsWith(".pragma")) {
      // how to unroll: nothing that a result depends on
      return;
    } else if (s.startsWith(".")) {
      throw new IllegalArgumentException("PTX: '" + s + "'");
    } else if (!s.isEmpty()) {
      instruction(s);
    }
  }

  private void registers(String s) {
    Matcher m = REGISTERS.matcher(s);
    if (!m.matches()) {
      throw new IllegalArgumentException("PTX: '" + s + "'");
    }
    PtxType.Bank bank = PtxType.of(m.group(1)).bank();
    for (String name : m.group(2).split(",")) {
      Matcher range = RANGE.matcher(name.strip());
      if (range.matches()) {
        for (int i = 0; i < Integer.parseInt(range.group(2)); i++) {
          declare(range.group(1) + i, bank);
        }
      } else {
        declare(name.strip(), bank);
      }
    }
  }

  private void declare(String name, PtxType.Bank bank) {
    int slot = counts.merge(bank, 1, Integer::sum) - 1;
    scopes.element().put(name, new Operand.Register(name, bank, slot));
  }

  private void variable(String s) {
    Matcher m = VARIABLE.matcher(s);
    if (!m.matches()) {
      throw new IllegalArgumentException("PTX: '" + s + "'");
    }
    int count = m.group(5) == null ? 1 : Integer.parseInt(m.group(5));
    (m.group(1).equals("shared") ? shared : local)
        .add(
            new KernelCode.Variable(
                m.group(4), Integer.parseInt(m.group(2)), count * PtxType.of(m.group(3)).bytes()));
  }

  private void instruction(String text) {
    String s = text;
    Optional<Instruction.Guard> guard = Optional.empty();
    if (s.startsWith("@")) {
      Matcher m = GUARDED.matcher(s);
      if (!m.matches()) {
        throw new IllegalArgumentException("PTX: '" + s + "'");
      }
      Operand.Register p =
          find(m.group(2)).orElseThrow(() -> new IllegalArgumentException("PTX: '" + text + "'"));
      guard = Optional.of(new Instruction.Guard(p.slot(), m.group(1).equals("!")));
      s = m.group(3);
    }
    int space = 0;
    while (space < s.length() && !Character.isWhitespace(s.charAt(space))) {
      space++;
    }
    List<Operand> operands = new ArrayList<>();
    for (String part : split(s.substring(space))) {
      operands.add(operand(part));
    }
    instructions.add(
        new Instruction(instructions.size(), s.substring(0, space), guard, operands, text));
  }

  private static List<String> split(String text) {
    List<String> parts = new ArrayList<>();
    int depth = 0;
    int from = 0;
    for (int i = 0; i < text.length(); i++) {
      switch (text.charAt(i)) {
        case '{', '[' -> depth++;
        case '}', ']' -> depth--;
        case ',' -> {
          if (depth == 0) {
            parts.add(text.substring(from, i).strip());
            from = i + 1;
          }
        }
        default -> {}
      }
    }
    String last = text.substring(from).strip();
    if (!last.isEmpty()) {
      parts.add(last);
    }
    return parts;
  }

  private Optional<Operand.Register> find(String name) {
    for (Map<String, Operand.Register> scope : scopes) {
      Operand.Register r = scope.get(name);
      if (r != null) {
        return Optional.of(r);
      }
    }
    return Optional.empty();
  }

  private Operand operand(String s) {
    char first = s.charAt(0);
    if (first == '{') {
      return new Operand.Vector(
          split(s.substring(1, s.length() - 1)).stream().map(this::operand).toList());
    }
    if (first == '[') {
      return memory(s.substring(1, s.length() - 1).strip());
    }
    int bar = s.indexOf('|');
    if (bar > 0) {
      return new Operand.Pair(
          operand(s.substring(0, bar).strip()), operand(s.substring(bar + 1).strip()));
    }
    if (first == '!') {
      return new Operand.Not(operand(s.substring(1)));
    }
    Optional<Operand.Register> register = find(s);
    if (register.isPresent()) {
      return register.get();
    }
    if (first == '%') {
      return new Operand.Special(s);
    }
    if (s.equals("_")) {
      return new Operand.Sink();
    }
    if (first == '-' || Character.isDigit(first)) {
      return new Operand.Immediate(number(s));
    }
    // labels that stand further on are not known yet
    return new Operand.Symbol(s);
  }

  private Operand.Memory memory(String s) {
    int plus = s.indexOf('+');
    return plus < 0
        ? new Operand.Memory(operand(s), 0)
        : new Operand.Memory(
            operand(s.substring(0, plus).strip()), Long.parseLong(s.substring(plus + 1).strip()));
  }

  private static long number(String s) {
    if (s.startsWith("0f") || s.startsWith("0F")) {
      return Long.parseLong(s.substring(2), 16);
    }
    if (s.startsWith("0d") || s.startsWith("0D")) {
      return Long.parseUnsignedLong(s.substring(2), 16);
    }
    String digits = s.endsWith("U") ? s.substring(0, s.length() - 1) : s;
    return digits.startsWith("-") ? Long.parseLong(digits) : unsigned(digits);
  }

  private static long unsigned(String digits) {
    return digits.startsWith("0x")
        ? Long.parseUnsignedLong(digits.substring(2), 16)
        : Long.parseUnsignedLong(digits);
  }

  private List<Instruction> resolved() {
    return instructions.stream()
        .map(
            i ->
                new Instruction(
                    i.index(),
                    i.opcode(),
                    i.guard(),
                    i.operands().stream().map(this::resolved).toList(),
                    i.text()))
        .toList();
  }

  private Operand resolved(Operand o) {
    if (o instanceof Operand.Symbol(String name) && name.startsWith("$")) {
      return new Operand.Label(name, label(name).orElseThrow());
    }
    return o;
  }

  private OptionalInt label(String name) {
    Integer at = labels.get(name);
    return at == null ? OptionalInt.empty() : OptionalInt.of(at);
  }
}
