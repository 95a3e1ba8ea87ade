package dev.yuzui.ptx.code;

import java.util.List;
import java.util.Map;

/**
 * A kernel as its text says.
 *
 * @param target {@code sm_90}
 * @param maxThreads of a block
 * @param shared its static variables, and those of the module, in their order
 * @param dynamic the names of its dynamic shared memory
 * @param tables what of global memory the module brings with it, which nobody writes
 * @param registers how many each bank has
 */
public record KernelCode(
    String name,
    String target,
    int maxThreads,
    List<Parameter> parameters,
    List<Variable> shared,
    List<Variable> dynamic,
    List<Variable> local,
    List<Table> tables,
    Map<PtxType.Bank, Integer> registers,
    List<Instruction> instructions) {

  public record Parameter(String name, PtxType type) {}

  /**
   * @param align what its address is a multiple of, and nothing more is promised
   */
  public record Variable(String name, int align, int bytes) {}

  public record Table(String name, int align, byte[] bytes) {}

  public KernelCode {
    parameters = List.copyOf(parameters);
    shared = List.copyOf(shared);
    dynamic = List.copyOf(dynamic);
    local = List.copyOf(local);
    tables = List.copyOf(tables);
    registers = Map.copyOf(registers);
    instructions = List.copyOf(instructions);
  }

  /** 90 for sm_90. */
  public int capability() {
    return Integer.parseInt(target.replaceAll("\\D", ""));
  }
}
