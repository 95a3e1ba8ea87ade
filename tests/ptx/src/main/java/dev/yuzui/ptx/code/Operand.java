package dev.yuzui.ptx.code;

import java.util.List;

/** What an instruction names. */
public sealed interface Operand {

  /**
   * @param slot its number within its bank
   */
  record Register(String name, PtxType.Bank bank, int slot) implements Operand {}

  /** An integer, or the bits of a floating-point number. */
  record Immediate(long bits) implements Operand {}

  /** {@code %tid.x} and its like. */
  record Special(String name) implements Operand {}

  /** A parameter, or the address of a variable. */
  record Symbol(String name) implements Operand {}

  /** {@code [base + offset]}. */
  record Memory(Operand base, long offset) implements Operand {}

  /** {@code {a, b}}. */
  record Vector(List<Operand> parts) implements Operand {
    public Vector {
      parts = List.copyOf(parts);
    }
  }

  /** {@code %r1|%p1}: a result and whether it is one. */
  record Pair(Operand value, Operand valid) implements Operand {}

  /** {@code !%p1}. */
  record Not(Operand of) implements Operand {}

  /** Where a branch goes, as the number of an instruction. */
  record Label(String name, int target) implements Operand {}

  /** {@code _}: a result that nobody wants. */
  record Sink() implements Operand {}
}
