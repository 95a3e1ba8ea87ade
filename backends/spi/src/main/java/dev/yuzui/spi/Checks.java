package dev.yuzui.spi;

import java.util.List;

/**
 * The words that {@link CheckedOps} and {@link AbstractBackend} say what must hold in; a word that
 * does not hold is an {@link IllegalArgumentException} with the call and the tensors in it.
 */
final class Checks {
  private Checks() {}

  static void product(String op, Tensor x, long k, long n, Tensor out, Tensor w) {
    encoding(op, Encoding.F32, x, out);
    weight(op, w);
    check(x.cols() == k, op, "x is not " + k + " wide", x, w);
    check(out.cols() == n, op, "out is not " + n + " wide", out, w);
  }

  static void experts(String op, ExpertWeights w, Dispatch dispatch) {
    dispatch(op, dispatch);
    Tensor first = w.experts().getFirst();
    weight(op, first);
    check(
        w.count() == dispatch.experts(),
        op,
        w.count() + " experts in " + w.name() + ", " + dispatch.experts() + " in the dispatch",
        first,
        dispatch.offset());
  }

  static void dispatch(String op, Dispatch d) {
    encoding(op, Encoding.I32, d.offset(), d.slot(), d.place());
    check(d.offset().rows() == 1 && d.offset().cols() > 1, op, "not [1, E+1]", d.offset());
    check(d.slot().rows() == 1, op, "not [1, T·K]", d.slot());
    sameShape(op, d.slot(), d.place());
    check(d.used() > 0 && d.slots() % d.used() == 0, op, d.used() + " per token", d.slot());
  }

  static long tokens(Dispatch dispatch) {
    return dispatch.slots() / dispatch.used();
  }

  static void cache(String op, KvCache cache) {
    Tensor entries = cache.entries();
    check(
        Encoding.caches().contains(entries.encoding()),
        op,
        "a cache is one of " + Encoding.caches().stream().map(Encoding::label).toList(),
        entries);
    check(
        cache.pageTokens() > 0 && entries.rows() % cache.pageTokens() == 0,
        op,
        "not whole pages of " + cache.pageTokens(),
        entries);
  }

  static void batch(String op, StepBatch batch, Tensor... rows) {
    encoding(op, Encoding.I32, batch.position(), batch.sequence(), batch.kvLength(), batch.pages());
    for (Tensor t : List.of(batch.position(), batch.sequence(), batch.kvLength())) {
      shape(op, "[1, T]", 1, batch.tokens(), t);
    }
    for (Tensor t : rows) {
      check(t.rows() == batch.tokens(), op, "the step has " + batch.tokens() + " rows", t);
    }
  }

  static void perHead(String op, Tensor t, int offset, long count, int heads) {
    check(heads > 0 && t.cols() % heads == 0, op, heads + " heads do not divide the columns", t);
    long stride = t.cols() / heads;
    check(
        offset >= 0 && count >= 0 && offset + count <= stride,
        op,
        "elements %d to %d of a head of %d".formatted(offset, offset + count, stride),
        t);
  }

  static void weight(String op, Tensor w) {
    check(!w.encoding().equals(Encoding.I32), op, "weights are not I32", w);
  }

  static void encoding(String op, Encoding want, Tensor... tensors) {
    for (Tensor t : tensors) {
      check(t.encoding().equals(want), op, "must be " + want.label(), t);
    }
  }

  static void sameShape(String op, Tensor a, Tensor b) {
    check(a.rows() == b.rows() && a.cols() == b.cols(), op, "shapes differ", a, b);
  }

  static void shape(String op, String letters, long rows, long cols, Tensor t) {
    check(
        t.rows() == rows && t.cols() == cols,
        op,
        "%s is [%d, %d] here".formatted(letters, rows, cols),
        t);
  }

  static void width(String op, String letters, long cols, Tensor t) {
    check(t.cols() == cols, op, "%s is %d here".formatted(letters, cols), t);
  }

  static void apartOrSame(String op, Tensor out, Tensor in) {
    if (out.byteOffset() != in.byteOffset() || out.byteSize() != in.byteSize()) {
      apart(op, out, in);
    }
  }

  static void apart(String op, Tensor out, Tensor... inputs) {
    for (Tensor in : inputs) {
      check(
          !out.buffer().equals(in.buffer())
              || out.byteOffset() + out.byteSize() <= in.byteOffset()
              || in.byteOffset() + in.byteSize() <= out.byteOffset(),
          op,
          "out overlaps an input",
          out,
          in);
    }
  }

  static void check(boolean ok, String op, String what, Tensor... tensors) {
    if (!ok) {
      StringBuilder message = new StringBuilder(op).append(": ").append(what);
      for (int i = 0; i < tensors.length; i++) {
        message.append(i == 0 ? ": " : ", ").append(tensors[i]);
      }
      throw new IllegalArgumentException(message.toString());
    }
  }
}
