package dev.yuzui.ptx.code;

import java.util.List;
import java.util.Optional;

/**
 * One instruction of a kernel.
 *
 * @param index its number within the kernel, which is what a program counter counts
 * @param opcode with its modifiers, {@code ld.global.v4.f32}
 * @param text for messages
 */
public record Instruction(
    int index, String opcode, Optional<Guard> guard, List<Operand> operands, String text) {

  /** {@code @%p1} or {@code @!%p1}. */
  public record Guard(int predicate, boolean negated) {}

  public Instruction {
    operands = List.copyOf(operands);
  }

  /** The opcode's first part. */
  public String name() {
    int dot = opcode.indexOf('.');
    return dot < 0 ? opcode : opcode.substring(0, dot);
  }

  /** Whether {@code modifier} is one of the opcode's parts. */
  public boolean has(String modifier) {
    for (int at = opcode.indexOf(modifier); at >= 0; at = opcode.indexOf(modifier, at + 1)) {
      int end = at + modifier.length();
      if ((at == 0 || opcode.charAt(at - 1) == '.')
          && (end == opcode.length() || opcode.charAt(end) == '.')) {
        return true;
      }
    }
    return false;
  }

  /** The last part of the opcode, which is the type of most. */
  public PtxType type() {
    return PtxType.of(opcode.substring(opcode.lastIndexOf('.') + 1));
  }
}
