package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;

/** What is particular to an encoding: its product with one vector and its values as F32. */
sealed interface RowKernel {

  /** Leaves a vector a row at {@code partial}, whose lanes add up to the row's product. */
  void products(Matrix w, int from, int rows, long x, long prepared, long temporary, long partial)
      throws Throwable;

  /** {@link CpuKernels#decode} of {@code count} elements, {@code bytes} long. */
  void decode(long at, long bytes, int count, long temporary, long out) throws Throwable;

  /** A format whose blocks are used as they are. */
  record Direct(MethodHandle rows, MethodHandle values) implements RowKernel {
    static Direct block(String name) {
      return new Direct(
          Opaque.method(BlockMatvec.class, name), Opaque.method(BlockDecode.class, name));
    }

    static Direct plain(String name) {
      return new Direct(
          Opaque.method(PlainMatvec.class, name), Opaque.method(PlainDecode.class, name));
    }

    @Override
    public void products(
        Matrix w, int from, int count, long x, long prepared, long temporary, long partial)
        throws Throwable {
      rows.invokeExact(w.row(from), w.rowBytes(), count, w.cols(), x, prepared, partial);
    }

    @Override
    public void decode(long at, long bytes, int count, long temporary, long out) throws Throwable {
      values.invokeExact(at, count, out);
    }
  }

  /** A format of super-blocks, taken apart first. */
  record Super(MethodHandle scales, MethodHandle codes, MethodHandle dot, MethodHandle values)
      implements RowKernel {
    /** Sub-blocks of 16 or 32. */
    static Super of(String name, int block) {
      return new Super(
          Opaque.method(SuperBlocks.class, name + "Scales"),
          Opaque.method(SuperBlocks.class, name + "Codes"),
          Opaque.method(SuperBlockRows.class, "dot" + block),
          Opaque.method(SuperBlockRows.class, "values" + block));
    }

    @Override
    public void products(
        Matrix w, int from, int count, long x, long prepared, long temporary, long partial)
        throws Throwable {
      unpack(w.row(from), w.rowBytes(), count, w.cols(), temporary);
      dot.invokeExact(count, w.cols(), x, prepared, temporary, partial);
    }

    private void unpack(long at, long stride, int rows, int cols, long to) throws Throwable {
      scales.invokeExact(at, stride, rows, cols, to);
      codes.invokeExact(at, stride, rows, cols, to);
    }

    @Override
    public void decode(long at, long bytes, int count, long temporary, long out) throws Throwable {
      unpack(at, bytes, 1, count, temporary);
      values.invokeExact(temporary, count, out);
    }
  }

  /** A format of super-blocks that is multiplied in one pass and taken apart to be decoded. */
  record Fused(MethodHandle rows, Super parts) implements RowKernel {
    /** Sub-blocks of 16 or 32. */
    static Fused of(String name, int block) {
      return new Fused(Opaque.method(SuperBlockMatvec.class, name), Super.of(name, block));
    }

    @Override
    public void products(
        Matrix w, int from, int count, long x, long prepared, long temporary, long partial)
        throws Throwable {
      rows.invokeExact(w.row(from), w.rowBytes(), count, w.cols(), x, prepared, partial);
    }

    @Override
    public void decode(long at, long bytes, int count, long temporary, long out) throws Throwable {
      parts.decode(at, bytes, count, temporary, out);
    }
  }

  /** A format of scales of 16 and more columns and no minima, taken apart into bytes first. */
  record Coded(MethodHandle unpack, MethodHandle dot, MethodHandle values) implements RowKernel {
    static Coded of(Class<?> rows, String name) {
      return new Coded(
          Opaque.method(rows, name),
          Opaque.method(CodedRows.class, "dot"),
          Opaque.method(CodedRows.class, "values"));
    }

    @Override
    public void products(
        Matrix w, int from, int count, long x, long prepared, long temporary, long partial)
        throws Throwable {
      unpack.invokeExact(w.row(from), w.rowBytes(), count, w.cols(), temporary);
      dot.invokeExact(count, w.cols(), x, temporary, partial);
    }

    @Override
    public void decode(long at, long bytes, int count, long temporary, long out) throws Throwable {
      unpack.invokeExact(at, bytes, 1, count, temporary);
      values.invokeExact(temporary, count, out);
    }
  }

  static Map<Encoding, RowKernel> all() {
    Map<Encoding, RowKernel> out = new HashMap<>();
    out.put(Encoding.F32, Direct.plain("f32"));
    out.put(Encoding.F16, Direct.plain("f16"));
    out.put(Encoding.BF16, Direct.plain("bf16"));
    out.put(new Encoding.Q4_0(), Direct.block("q40"));
    out.put(new Encoding.Q4_1(), Direct.block("q41"));
    out.put(new Encoding.Q5_0(), Direct.block("q50"));
    out.put(new Encoding.Q5_1(), Direct.block("q51"));
    out.put(new Encoding.Q8_0(), Direct.block("q80"));
    out.put(new Encoding.IQ4_NL(), Direct.block("iq4nl"));
    out.put(new Encoding.IQ4_XS(), Direct.block("iq4xs"));
    out.put(new Encoding.Q2_K(), Super.of("q2k", 16));
    out.put(new Encoding.Q3_K(), Super.of("q3k", 16));
    out.put(new Encoding.Q4_K(), Fused.of("q4k", 32));
    out.put(new Encoding.Q5_K(), Super.of("q5k", 32));
    out.put(new Encoding.Q6_K(), Fused.of("q6k", 16));
    out.put(new Encoding.IQ1_S(), Coded.of(GridRows.class, "iq1s"));
    out.put(new Encoding.IQ1_M(), Coded.of(GridRows.class, "iq1m"));
    out.put(new Encoding.IQ2_XXS(), Coded.of(GridRows.class, "iq2xxs"));
    out.put(new Encoding.IQ2_XS(), Coded.of(GridRows.class, "iq2xs"));
    out.put(new Encoding.IQ2_S(), Coded.of(GridRows.class, "iq2s"));
    out.put(new Encoding.IQ3_XXS(), Coded.of(GridRows.class, "iq3xxs"));
    out.put(new Encoding.IQ3_S(), Coded.of(GridRows.class, "iq3s"));
    out.put(new Encoding.TQ1_0(), Coded.of(FewBitRows.class, "tq10"));
    out.put(new Encoding.TQ2_0(), Coded.of(FewBitRows.class, "tq20"));
    out.put(new Encoding.Q1_0(), Coded.of(FewBitRows.class, "q10"));
    out.put(new Encoding.Q2_0(), Coded.of(FewBitRows.class, "q20"));
    out.put(new Encoding.MXFP4(), Coded.of(FewBitRows.class, "mxfp4"));
    out.put(new Encoding.NVFP4(), Coded.of(FewBitRows.class, "nvfp4"));
    return Map.copyOf(out);
  }
}
