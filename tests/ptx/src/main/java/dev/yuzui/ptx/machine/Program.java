package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.KernelCode;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A kernel whose operands are places in a register file and whose instructions are {@link
 * Operation}s, for any number of launches; it notes which instructions ran.
 */
public final class Program {

  /** How the next instruction is found. */
  enum Flow {
    NEXT,
    BRANCH,
    EXIT,
    BARRIER,
    /** Runs when all lanes that it names are there. */
    COLLECTIVE
  }

  /** What a register that is never written holds. */
  sealed interface Constant {
    record Value(long bits) implements Constant {}

    record Parameter(int index) implements Constant {}

    record Special(String name) implements Constant {}
  }

  private static final Set<String> ASYNCHRONOUS = Set.of("mbarrier", "wgmma");

  private final KernelCode code;
  final Operation[] operations;
  final Flow[] flows;
  final int[] targets;
  final int[] guards;
  final List<Constant> words;
  final List<Constant> longs;
  final SharedLayout layout;

  /** Whether it uses mbarriers or wgmmas, whose order barriers do not tell. */
  final boolean asynchronous;

  /** Of each instruction the words that it names; empty where no wgmma can use them. */
  final int[][] touched;

  private final boolean[] executed;

  Program(
      KernelCode code,
      Operation[] operations,
      Flow[] flows,
      int[] targets,
      List<Constant> words,
      List<Constant> longs,
      SharedLayout layout) {
    this.code = code;
    this.operations = operations;
    this.flows = flows;
    this.targets = targets;
    this.words = List.copyOf(words);
    this.longs = List.copyOf(longs);
    this.layout = layout;
    this.executed = new boolean[operations.length];
    this.asynchronous = code.instructions().stream().anyMatch(i -> ASYNCHRONOUS.contains(i.name()));
    this.touched =
        asynchronous
            ? code.instructions().stream().map(Program::words).toArray(int[][]::new)
            : new int[0][];
    this.guards =
        code.instructions().stream()
            .mapToInt(
                i -> i.guard().map(g -> g.predicate() << 1 | (g.negated() ? 1 : 0)).orElse(-1))
            .toArray();
  }

  private static int[] words(Instruction i) {
    return i.name().equals("wgmma")
        ? new int[0]
        : i.operands().stream()
            .flatMap(Program::registers)
            .filter(r -> r.bank() == PtxType.Bank.WORD)
            .mapToInt(Operand.Register::slot)
            .toArray();
  }

  private static Stream<Operand.Register> registers(Operand o) {
    return switch (o) {
      case Operand.Register r -> Stream.of(r);
      case Operand.Memory(Operand base, _) -> registers(base);
      case Operand.Vector(List<Operand> parts) -> parts.stream().flatMap(Program::registers);
      case Operand.Pair(Operand value, Operand valid) ->
          Stream.concat(registers(value), registers(valid));
      case Operand.Not(Operand of) -> registers(of);
      default -> Stream.empty();
    };
  }

  /**
   * @throws IllegalArgumentException if an instruction is none of those that are known
   */
  public static Program of(KernelCode code) {
    return new Decoder(code).decode();
  }

  public KernelCode code() {
    return code;
  }

  void ran(int pc) {
    executed[pc] = true;
  }

  /** Whether any lane came to instruction {@code index}. */
  public boolean executed(int index) {
    return executed[index];
  }

  /** Of the instructions, the part that any lane came to. */
  public double covered() {
    int count = 0;
    for (boolean one : executed) {
      count += one ? 1 : 0;
    }
    return (double) count / executed.length;
  }

  /** The opcodes, modifiers included, of the instructions that ran. */
  public Set<String> executed() {
    Set<String> opcodes = new TreeSet<>();
    for (Instruction i : code.instructions()) {
      if (executed[i.index()]) {
        opcodes.add(i.opcode());
      }
    }
    return opcodes;
  }
}
