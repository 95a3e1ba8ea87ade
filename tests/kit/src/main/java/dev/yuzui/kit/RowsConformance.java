package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.exact;
import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;
import static dev.yuzui.kit.Tolerance.relative;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ops that go row by row. */
public abstract class RowsConformance extends Conformance {

  @Test
  void embedCopiesTheRowsAskedFor() {
    Values table = Values.literal(3, 2, 1, 2, 3, 4, 5, 6);
    Values wanted = Values.literal(4, 2, 5, 6, 1, 2, 5, 6, 3, 4);
    rig.compare(
        b -> {
          Tensor t = b.input("table", table);
          Tensor row = b.integers("row", Values.literal(1, 4, 2, 0, 2, 1));
          Tensor out = b.output("out", 4, 2, near(wanted, exact()));
          return ops -> ops.embed(t, row, out);
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "1, 7, 3", "5, 64, 13", "17, 333, 2", "33, 2048, 70"})
  void embedOfActivations(int tokens, int h, int rows) {
    rig.compare(
        b -> {
          Tensor table = b.input("table", Values.normal(rows, h, 1));
          Tensor row = b.integers("row", Values.integers(1, tokens, rows, 2));
          Tensor out = b.output("out", tokens, h, exact());
          return ops -> ops.embed(table, row, out);
        });
  }

  @Test
  void rmsNormOfKnownNumbers() {
    // mean of squares (9 + 16)/2 = 12.5; with eps 12.5 the root is 5
    Values wanted = Values.literal(1, 2, 3 / 5.0 * 2, 4 / 5.0 * -1);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.literal(1, 2, 3, 4));
          Tensor w = b.vector(rig.arena(), "w", 2, -1);
          Tensor out = b.output("out", 1, 2, near(wanted, relative(1e-6)));
          return ops -> ops.rmsNorm(x, w, 12.5f, out);
        });
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "1, 64",
    "3, 100",
    "5, 31",
    "17, 7168",
    "64, 257",
    "2, 1023",
    "33, 512",
    "130, 40"
  })
  void rmsNorm(int tokens, int h) {
    var weight = rig.weight(Encoding.F32, 1, h, 43);
    Values x = Values.normal(tokens, h, 42);
    double epsilon = 4e-7 * Math.sqrt(h);
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor w = b.weight(weight);
          Tensor out = b.output("out", tokens, h, relative(epsilon));
          return ops -> ops.rmsNorm(in, w, 1e-6f, out);
        });
    rig.compare(
        b -> {
          Tensor w = b.weight(weight);
          Tensor inPlace = b.inOut("x", x, relative(epsilon));
          return ops -> ops.rmsNorm(inPlace, w, 1e-6f, inPlace);
        });
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "1e-18, 1e-6", "1e15, 1e-6"})
  void rmsNormOfZerosTinyAndHugeNumbers(double deviation, float eps) {
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(3, 96, 5, 0, deviation));
          Tensor w = b.weight(rig.weight(Encoding.F32, 1, 96, 6));
          Tensor out = b.output("out", 3, 96, relative(1e-5));
          return ops -> ops.rmsNorm(x, w, eps, out);
        });
  }

  @Test
  void addRmsNormOfKnownNumbers() {
    // x + y = (3, 4): mean of squares 12.5; with eps 12.5 the root is 5
    rig.compare(
        b -> {
          Tensor x =
              b.inOut("x", Values.literal(1, 2, 1, 6), near(Values.literal(1, 2, 3, 4), exact()));
          Tensor y = b.input("y", Values.literal(1, 2, 2, -2));
          Tensor w = b.vector(rig.arena(), "w", 2, -1);
          Values wanted = Values.literal(1, 2, 3 / 5.0 * 2, 4 / 5.0 * -1);
          Tensor out = b.output("out", 1, 2, near(wanted, relative(1e-6)));
          return ops -> ops.addRmsNorm(x, y, w, 12.5f, out);
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "1, 2048", "3, 100", "5, 31", "17, 7168", "2, 1023", "33, 512", "130, 40"})
  void addRmsNorm(int tokens, int h) {
    var weight = rig.weight(Encoding.F32, 1, h, 43);
    rig.compare(
        b -> {
          Tensor x = b.inOut("x", Values.normal(tokens, h, 42), exact());
          Tensor y = b.input("y", Values.normal(tokens, h, 44));
          Tensor w = b.weight(weight);
          // where the sum is near zero its rounding counts
          Tensor out = b.output("out", tokens, h, ofRow(4e-7 * Math.sqrt(h)));
          return ops -> ops.addRmsNorm(x, y, w, 1e-6f, out);
        });
  }

  @Test
  void addConcatAndCopyOfKnownNumbers() {
    rig.compare(
        b -> {
          Tensor a = b.input("a", Values.literal(2, 2, 1, 2, 3, 4));
          Tensor c = b.input("b", Values.literal(2, 2, 10, 20, 30, 40));
          Tensor sum = b.output("sum", 2, 2, near(Values.literal(2, 2, 11, 22, 33, 44), exact()));
          Tensor both =
              b.output(
                  "both", 2, 4, near(Values.literal(2, 4, 1, 2, 10, 20, 3, 4, 30, 40), exact()));
          Tensor copy =
              b.inOut(
                  "copy",
                  Values.literal(2, 2, 5, 6, 7, 8),
                  near(Values.literal(2, 2, 2, 20, 4, 40), exact()));
          return ops -> {
            ops.add(a, c, sum);
            ops.concat(a, c, both);
            ops.copyPerHead(both, 1, 1, 2, copy, 0);
          };
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 5", "17, 64", "2, 2049", "64, 33"})
  void add(int tokens, int h) {
    Values a = Values.normal(tokens, h, 1);
    Values c = Values.normal(tokens, h, 2);
    rig.compare(
        b -> {
          Tensor x = b.input("a", a);
          Tensor y = b.input("b", c);
          Tensor out = b.output("out", tokens, h, exact());
          return ops -> ops.add(x, y, out);
        });
    rig.compare(
        b -> {
          Tensor x = b.inOut("a", a, exact());
          Tensor y = b.input("b", c);
          return ops -> ops.add(x, y, x);
        });
    rig.compare(
        b -> {
          Tensor x = b.input("a", a);
          Tensor y = b.inOut("b", c, exact());
          return ops -> ops.add(x, y, y);
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "3, 5, 2", "17, 64, 64", "2, 1, 1000", "9, 33, 96"})
  void concat(int tokens, int a, int c) {
    rig.compare(
        b -> {
          Tensor x = b.input("a", Values.normal(tokens, a, 1));
          Tensor y = b.input("b", Values.normal(tokens, c, 2));
          Tensor out = b.output("out", tokens, a + c, exact());
          return ops -> ops.concat(x, y, out);
        });
  }

  @Test
  void siluMulOfKnownNumbers() {
    double half = 1 / (1 + Math.exp(-1));
    Values wanted = Values.literal(1, 4, 0, half * 3, -(1 - half) * 3, 200);
    rig.compare(
        b -> {
          Tensor gate = b.input("gate", Values.literal(1, 4, 0, 1, -1, 100));
          Tensor up = b.input("up", Values.literal(1, 4, 7, 3, 3, 2));
          Tensor out = b.output("out", 1, 4, near(wanted, relative(1e-6)));
          return ops -> ops.siluMul(gate, up, out);
        });
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "3, 5, 1", "17, 64, 5", "2, 1408, 20", "64, 33, 90"})
  void siluMul(int tokens, int f, double deviation) {
    Values gates = Values.normal(tokens, f, 1, 0, deviation);
    Values ups = Values.normal(tokens, f, 2);
    // far below zero the result is e^gate, whose relative error is that of its exponent
    Tolerance tolerance =
        Tolerance.bounded((_, row, col, want) -> 2e-5 * Math.abs(want[row * f + col]) + 1e-30);
    rig.compare(
        b -> {
          Tensor gate = b.input("gate", gates);
          Tensor up = b.input("up", ups);
          Tensor out = b.output("out", tokens, f, tolerance);
          return ops -> ops.siluMul(gate, up, out);
        });
    rig.compare(
        b -> {
          Tensor up = b.input("up", ups);
          Tensor gate = b.inOut("gate", gates, tolerance);
          return ops -> ops.siluMul(gate, up, gate);
        });
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 0, 1, 1, 0",
    "3, 2, 24, 16, 8, 40, 32",
    "17, 5, 7, 3, 4, 9, 5",
    "2, 16, 192, 128, 64, 576, 512",
    "4, 3, 10, 0, 10, 10, 0"
  })
  void copyPerHead(
      int tokens, int heads, int stride, int offset, int count, int outStride, int outOffset) {
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(tokens, heads * stride, 1));
          Tensor out = b.inOut("out", Values.normal(tokens, heads * outStride, 2), exact());
          return ops -> ops.copyPerHead(x, offset, count, heads, out, outOffset);
        });
  }

  @Test
  void aChainOfRows() {
    Values x = Values.normal(5, 48, 1);
    rig.compare(
        b -> {
          Tensor h = b.inOut("h", x, ofRow(1e-5));
          Tensor w = b.weight(rig.weight(Encoding.F32, 1, 48, 3));
          return ops -> {
            try (var frame = ops.scratch().frame()) {
              Tensor normed = ops.scratch().f32("normed", 5, 48);
              Tensor act = ops.scratch().f32("act", 5, 48);
              ops.rmsNorm(h, w, 1e-6f, normed);
              ops.siluMul(normed, h, act);
              ops.add(h, act, h);
            }
          };
        });
  }
}
