package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.KernelCode;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import dev.yuzui.ptx.machine.Program.Constant;
import dev.yuzui.ptx.machine.Program.Flow;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Turns instructions into operations. Constants, parameters and special registers get registers of
 * their own, behind the kernel's, so that every operand is a place in a bank.
 */
final class Decoder {
  private static final Set<String> COLLECTIVES =
      Set.of("shfl", "vote", "mma", "ldmatrix", "wgmma", "setmaxnreg");

  private final KernelCode code;
  private final SharedLayout layout;
  private final Map<Constant, Integer> words = new LinkedHashMap<>();
  private final Map<Constant, Integer> longs = new LinkedHashMap<>();
  private final Map<String, Integer> parameters = new HashMap<>();

  Decoder(KernelCode code) {
    this.code = code;
    this.layout = new SharedLayout(code);
    for (int i = 0; i < code.parameters().size(); i++) {
      parameters.put(code.parameters().get(i).name(), i);
    }
  }

  Program decode() {
    List<Instruction> instructions = code.instructions();
    Operation[] operations = new Operation[instructions.size()];
    Flow[] flows = new Flow[operations.length];
    int[] targets = new int[operations.length];
    for (Instruction i : instructions) {
      flows[i.index()] = flow(i);
      if (flows[i.index()] == Flow.BRANCH) {
        targets[i.index()] = ((Operand.Label) i.operands().getFirst()).target();
      }
      try {
        operations[i.index()] = operation(i);
      } catch (ClassCastException | IndexOutOfBoundsException e) {
        throw new IllegalArgumentException("PTX: '" + i.text() + "'", e);
      }
    }
    return new Program(
        code,
        operations,
        flows,
        targets,
        List.copyOf(words.keySet()),
        List.copyOf(longs.keySet()),
        layout);
  }

  private static Flow flow(Instruction i) {
    String name = i.name();
    if (COLLECTIVES.contains(name) || name.equals("bar") && i.has("warp")) {
      return Flow.COLLECTIVE;
    }
    return switch (name) {
      case "bra" -> Flow.BRANCH;
      case "ret", "exit" -> Flow.EXIT;
      case "bar" -> barrier(i);
      default -> Flow.NEXT;
    };
  }

  /** All threads of the block meet at barrier 0; these kernels know no other. */
  private static Flow barrier(Instruction i) {
    boolean plain =
        i.opcode().equals("bar.sync")
            && i.guard().isEmpty()
            && i.operands().equals(List.of(new Operand.Immediate(0)));
    if (!plain) {
      throw unknown(i);
    }
    return Flow.BARRIER;
  }

  static IllegalArgumentException unknown(Instruction i) {
    return new IllegalArgumentException("PTX: '" + i.text() + "' is not known to this interpreter");
  }

  private Operation operation(Instruction i) {
    return switch (i.name()) {
      case "bra", "bar" -> i.has("warp") ? WarpOps.barrier() : Decoder::nothing;
      case "ret", "exit" -> FlowOps.end();
      case "trap" -> FlowOps.trap();
      case "prefetch" -> Decoder::nothing;
      case "griddepcontrol" -> i.has("wait") ? FlowOps.waits() : Decoder::nothing;
      case "membar" -> FlowOps.fence();
      case "fence" -> fence(i);
      case "ld", "st", "atom" -> new MemoryOps(this).operation(i);
      case "cp" -> i.has("bulk") ? new MbarrierOps(this).operation(i) : copies(i);
      case "mbarrier" -> new MbarrierOps(this).operation(i);
      case "wgmma", "setmaxnreg" -> new WgmmaOps(this).operation(i);
      case "shfl", "vote", "ldmatrix" -> new WarpOps(this).operation(i);
      case "mma" -> new MmaOps(this).operation(i);
      case "mov", "cvta", "selp" -> new MoveOps(this).operation(i);
      case "cvt" -> new ConvertOps(this).operation(i);
      case "setp" -> new CompareOps(this).operation(i);
      default -> arithmetic(i);
    };
  }

  private Operation arithmetic(Instruction i) {
    PtxType type = i.type();
    return switch (type) {
      case PRED -> new CompareOps(this).logic(i);
      case F32, F16X2 -> new FloatOps(this).operation(i);
      default ->
          i.has("wide") || type.bytes() == 8
              ? new LongOps(this).operation(i)
              : new WordOps(this).operation(i);
    };
  }

  private Operation copies(Instruction i) {
    return new AsyncCopies(this).operation(i);
  }

  private Operation fence(Instruction i) {
    return i.has("mbarrier_init")
        ? new MbarrierOps(this).operation(i)
        : i.has("proxy") ? FlowOps.proxyFence(i) : FlowOps.fence();
  }

  private static void nothing(Warp warp, int mask) {}

  // ---- operands
  // -----------------------------------------------------------------------------------

  /** Where a 16- or 32-bit operand of type {@code type} lies among the words. */
  int word(Operand o, PtxType type) {
    return switch (o) {
      case Operand.Register(_, PtxType.Bank bank, int slot) when bank == PtxType.Bank.WORD ->
          slot * Warp.LANES;
      case Operand.Immediate(long bits) ->
          constant(
              words,
              PtxType.Bank.WORD,
              new Constant.Value(type.bytes() == 2 ? bits & 0xffff : (int) bits));
      case Operand.Special(String name) ->
          constant(words, PtxType.Bank.WORD, new Constant.Special(name));
      case Operand.Symbol(String name) ->
          constant(words, PtxType.Bank.WORD, new Constant.Value(address(name)));
      default -> throw new ClassCastException("no word: " + o);
    };
  }

  /** Where a 64-bit operand lies among the longs. */
  int quad(Operand o) {
    return switch (o) {
      case Operand.Register(_, PtxType.Bank bank, int slot) when bank == PtxType.Bank.LONG ->
          slot * Warp.LANES;
      case Operand.Immediate(long bits) ->
          constant(longs, PtxType.Bank.LONG, new Constant.Value(bits));
      case Operand.Symbol(String name) ->
          constant(longs, PtxType.Bank.LONG, new Constant.Value(address(name)));
      default -> throw new ClassCastException("no long: " + o);
    };
  }

  int predicate(Operand o) {
    return ((Operand.Register) o).slot();
  }

  static boolean wide(Operand o) {
    return o instanceof Operand.Register(_, PtxType.Bank bank, _) && bank == PtxType.Bank.LONG;
  }

  /** Where parameter {@code name} lies, in the bank of its type. */
  int parameter(String name) {
    Integer index = parameters.get(name);
    if (index == null) {
      throw new IllegalArgumentException("PTX: no parameter is called " + name);
    }
    return code.parameters().get(index).type().bytes() == 8
        ? constant(longs, PtxType.Bank.LONG, new Constant.Parameter(index))
        : constant(words, PtxType.Bank.WORD, new Constant.Parameter(index));
  }

  private long address(String name) {
    return layout
        .address(name)
        .orElseThrow(() -> new IllegalArgumentException("PTX: no variable is called " + name));
  }

  private int constant(Map<Constant, Integer> constants, PtxType.Bank bank, Constant constant) {
    int index = constants.computeIfAbsent(constant, _ -> constants.size());
    return (code.registers().get(bank) + index) * Warp.LANES;
  }
}
