package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * The arguments that {@link Ops} allows: encodings, shapes, overlaps. Every backend calls these
 * before it enqueues, so that a wrong call has one message everywhere. Contents (ids, lengths, page
 * numbers) lie on the device and are not looked at.
 *
 * <p>All methods throw {@link IllegalArgumentException}.
 */
public final class OpChecks {
  private OpChecks() {}

  public static void embed(Tensor table, Tensor row, Tensor out) {
    encoding("embed", Encoding.I32, row);
    encoding("embed", Encoding.F32, out);
    check(row.rows() == 1, "embed", "row must be [1, T]", row);
    check(out.rows() == row.cols(), "embed", "out needs a row for each of row's columns", row, out);
    check(out.cols() == table.cols(), "embed", "columns differ", table, out);
    apart("embed", out, table, row);
  }

  public static void rmsNorm(Tensor x, Tensor weight, Tensor out) {
    encoding("rmsNorm", Encoding.F32, x, weight, out);
    check(weight.rows() == 1 && weight.cols() == x.cols(), "rmsNorm", "not [1, H]", weight, x);
    sameShape("rmsNorm", x, out);
    apartOrSame("rmsNorm", out, x);
    apart("rmsNorm", out, weight);
  }

  public static void add(Tensor a, Tensor b, Tensor out) {
    encoding("add", Encoding.F32, a, b, out);
    sameShape("add", a, b);
    sameShape("add", a, out);
    apartOrSame("add", out, a);
    apartOrSame("add", out, b);
  }

  public static void addRmsNorm(Tensor x, Tensor y, Tensor weight, Tensor out) {
    String op = "addRmsNorm";
    encoding(op, Encoding.F32, x, y, weight, out);
    sameShape(op, x, y);
    sameShape(op, x, out);
    check(weight.rows() == 1 && weight.cols() == x.cols(), op, "not [1, H]", weight, x);
    apart(op, out, x, y, weight);
    apart(op, x, y, weight);
  }

  public static void concat(Tensor a, Tensor b, Tensor out) {
    encoding("concat", Encoding.F32, a, b, out);
    check(a.rows() == b.rows() && a.rows() == out.rows(), "concat", "rows differ", a, b, out);
    check(a.cols() + b.cols() == out.cols(), "concat", "columns do not add up", a, b, out);
    apart("concat", out, a, b);
  }

  public static void siluMul(Tensor gate, Tensor up, Tensor out) {
    encoding("siluMul", Encoding.F32, gate, up, out);
    sameShape("siluMul", gate, up);
    sameShape("siluMul", gate, out);
    apartOrSame("siluMul", out, gate);
    apart("siluMul", out, up);
  }

  public static void matmul(Tensor x, Tensor w, Tensor out) {
    product("matmul", x, w.cols(), w.rows(), out, w);
    check(x.rows() == out.rows(), "matmul", "x and out differ in rows", x, out);
    apart("matmul", out, x, w);
  }

  public static void matmulPerHead(
      Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    String op = "matmulPerHead";
    encoding(op, Encoding.F32, x, out);
    weight(op, w);
    check(x.rows() == out.rows(), op, "x and out differ in rows", x, out);
    check(heads > 0 && w.rows() % heads == 0, op, heads + " heads do not divide w's rows", w);
    perHead(op, x, xOffset, w.cols(), heads);
    perHead(op, out, outOffset, w.rows() / heads, heads);
    apart(op, out, x, w);
  }

  public static void copyPerHead(
      Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    encoding("copyPerHead", Encoding.F32, x, out);
    check(x.rows() == out.rows(), "copyPerHead", "rows differ", x, out);
    perHead("copyPerHead", x, xOffset, count, heads);
    perHead("copyPerHead", out, outOffset, count, heads);
    apart("copyPerHead", out, x);
  }

  public static void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    rope("rope", x, xOffset, heads, table, batch, out, outOffset);
  }

  private static void rope(
      String op,
      Tensor x,
      int xOffset,
      int heads,
      Tensor table,
      StepBatch batch,
      Tensor out,
      int outOffset) {
    encoding(op, Encoding.F32, x, table, out);
    batch(op, batch, x, out);
    check(table.cols() % 2 == 0, op, "pairs need an even number of columns", table);
    perHead(op, x, xOffset, table.cols(), heads);
    perHead(op, out, outOffset, table.cols(), heads);
    if (xOffset == outOffset) {
      apartOrSame(op, out, x);
    } else {
      apart(op, out, x);
    }
    apart(op, out, table);
  }

  public static void ropeAppend(
      Tensor q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      Tensor table,
      LatentCache cache,
      StepBatch batch) {
    rope("ropeAppend", q, qOffset, heads, table, batch, q, qOffset);
    appendLatent("ropeAppend", kv, norm, table, cache, batch);
    apart("ropeAppend", q, kv, norm, cache.entries());
  }

  public static void appendLatent(
      Tensor kv, Tensor norm, Tensor table, LatentCache cache, StepBatch batch) {
    appendLatent("appendLatent", kv, norm, table, cache, batch);
  }

  private static void appendLatent(
      String op, Tensor kv, Tensor norm, Tensor table, LatentCache cache, StepBatch batch) {
    encoding(op, Encoding.F32, kv, norm, table);
    cache(op, cache);
    batch(op, batch, kv);
    check(norm.rows() == 1, op, "the norm's weight is not [1, Lkv]", norm);
    check(table.cols() % 2 == 0, op, "pairs need an even number of columns", table);
    check(kv.cols() == norm.cols() + table.cols(), op, "kv is not Lkv+R wide", kv, norm, table);
    check(kv.cols() == cache.entries().cols(), op, "columns differ", kv, cache.entries());
  }

  public static void mlaDecode(
      Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    String op = "mlaDecode";
    encoding(op, Encoding.F32, q, out);
    cache(op, cache);
    batch(op, batch, q, out);
    width(op, "N·(Lkv+R)", (long) shape.heads() * shape.entry(), q);
    width(op, "N·Lkv", (long) shape.heads() * shape.kvLora(), out);
    width(op, "Lkv+R", shape.entry(), cache.entries());
    apart(op, out, q, cache.entries());
  }

  /** For {@link Ops#mlaPrefill} and {@link Ops#mlaAbsorbed}. */
  public static void mlaPrefill(
      Tensor q,
      LatentCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    String op = "mlaPrefill";
    encoding(op, Encoding.F32, q, out);
    weight(op, keyUp);
    weight(op, valueUp);
    cache(op, cache);
    batch(op, batch, q, out);
    width(op, "N·(P+R)", (long) shape.heads() * shape.query(), q);
    width(op, "N·V", (long) shape.heads() * shape.value(), out);
    width(op, "Lkv+R", shape.entry(), cache.entries());
    shape(op, "[N·Lkv, P]", (long) shape.heads() * shape.kvLora(), shape.nope(), keyUp);
    shape(op, "[N·V, Lkv]", (long) shape.heads() * shape.value(), shape.kvLora(), valueUp);
    apart(op, out, q, keyUp, valueUp, cache.entries());
  }

  public static void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    encoding("route", Encoding.F32, logits);
    batch("route", batch, logits);
    width("route", "E", rule.experts(), logits);
    choice("route", bias, rule, batch, ids, weights);
    apart("route", ids, logits);
    apart("route", weights, logits);
  }

  public static void gate(
      Tensor x,
      Tensor w,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    encoding("gate", Encoding.F32, x);
    weight("gate", w);
    batch("gate", batch, x);
    shape("gate", "[E, H]", rule.experts(), x.cols(), w);
    choice("gate", bias, rule, batch, ids, weights);
    apart("gate", ids, x, w);
    apart("gate", weights, x, w);
  }

  private static void choice(
      String op,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    encoding(op, Encoding.F32, weights);
    encoding(op, Encoding.I32, ids);
    batch(op, batch, ids, weights);
    width(op, "K", rule.used(), ids);
    width(op, "K", rule.used(), weights);
    bias.ifPresent(
        b -> {
          encoding(op, Encoding.F32, b);
          shape(op, "[1, E]", 1, rule.experts(), b);
        });
    if (rule.groups() < 1
        || rule.experts() % rule.groups() != 0
        || rule.groupsUsed() < 1
        || rule.groupsUsed() > rule.groups()
        || rule.used() < 1
        || rule.used() > rule.experts() / rule.groups() * rule.groupsUsed()) {
      throw new IllegalArgumentException(
          "%s: %d experts in %d groups cannot give %d experts of %d groups"
              .formatted(op, rule.experts(), rule.groups(), rule.used(), rule.groupsUsed()));
    }
    apart(op, ids, weights);
  }

  public static void permute(Tensor ids, Dispatch out) {
    encoding("permute", Encoding.I32, ids);
    dispatch("permute", out);
    width("permute", "K", out.used(), ids);
    check(ids.rows() * ids.cols() == out.slots(), "permute", "slots differ", ids, out.slot());
  }

  public static void groupedMatmul(
      Tensor x, Ops.Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    String op = "groupedMatmul";
    experts(op, w, dispatch);
    Tensor first = w.experts().getFirst();
    product(op, x, w.cols(), w.rows(), out, first);
    long rows = gather == Ops.Gather.BY_TOKEN ? tokens(dispatch) : dispatch.slots();
    check(x.rows() == rows, op, gather + " reads " + rows + " rows", x, dispatch.slot());
    check(out.rows() == dispatch.slots(), op, "out needs T·K rows", out, dispatch.slot());
    apart(op, out, x);
  }

  public static void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    encoding("combine", Encoding.F32, y, weights, out);
    dispatch("combine", dispatch);
    check(y.rows() == dispatch.slots(), "combine", "y needs T·K rows", y, dispatch.slot());
    check(y.cols() == out.cols(), "combine", "columns differ", y, out);
    shape("combine", "[T, K]", tokens(dispatch), dispatch.used(), weights);
    check(out.rows() == weights.rows(), "combine", "rows differ", weights, out);
    apart("combine", out, y, weights);
    base.ifPresent(
        b -> {
          encoding("combine", Encoding.F32, b);
          sameShape("combine", b, out);
          apartOrSame("combine", out, b);
        });
  }

  public static void topK(Tensor logits, Tensor ids, Tensor values) {
    encoding("topK", Encoding.F32, logits, values);
    encoding("topK", Encoding.I32, ids);
    sameShape("topK", ids, values);
    check(ids.rows() == logits.rows(), "topK", "rows differ", logits, ids);
    long most = Math.min(Ops.MAX_TOP_K, logits.cols());
    check(
        ids.cols() >= 1 && ids.cols() <= most,
        "topK",
        "k must be 1 to %d, is %d".formatted(most, ids.cols()),
        logits,
        ids);
    apart("topK", ids, logits, values);
    apart("topK", values, logits);
  }

  public static void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    String op = "expertFfn";
    experts(op, gate, dispatch);
    experts(op, up, dispatch);
    experts(op, down, dispatch);
    Tensor g = gate.experts().getFirst();
    Tensor u = up.experts().getFirst();
    Tensor d = down.experts().getFirst();
    check(g.rows() == u.rows() && g.cols() == u.cols(), op, "gate and up differ", g, u);
    check(d.cols() == g.rows(), op, "down does not take what gate and up give", d, g);
    product(op, x, g.cols(), d.rows(), out, g);
    check(x.rows() == tokens(dispatch), op, "x needs a row per token", x, dispatch.slot());
    check(out.rows() == dispatch.slots(), op, "out needs T·K rows", out, dispatch.slot());
    apart(op, out, x);
  }

  public static void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    product("gatedMlp", x, gate.cols(), gate.rows(), out, gate);
    check(
        gate.rows() == up.rows() && gate.cols() == up.cols(),
        "gatedMlp",
        "gate and up differ",
        gate,
        up);
    check(x.rows() == out.rows(), "gatedMlp", "x and out differ in rows", x, out);
    apart("gatedMlp", out, x, gate, up);
  }

  public static void rmsNormMatmul(Tensor x, Tensor norm, Tensor w, Tensor out) {
    String op = "rmsNormMatmul";
    encoding(op, Encoding.F32, norm);
    check(norm.rows() == 1 && norm.cols() == x.cols(), op, "norm is not [1, H]", norm, x);
    product(op, x, w.cols(), w.rows(), out, w);
    check(x.rows() == out.rows(), op, "x and out differ in rows", x, out);
    apart(op, out, x, norm, w);
  }

  /** For {@link Backend#write} and {@link Backend#read}. */
  public static void copy(Tensor tensor, MemorySegment host) {
    check(
        host.byteSize() == tensor.byteSize(),
        "copy",
        "the tensor takes %d bytes, the host's memory has %d"
            .formatted(tensor.byteSize(), host.byteSize()),
        tensor);
  }

  public static void fill(Tensor tensor, MemorySegment pattern) {
    long row = tensor.encoding().byteSize(1, tensor.cols());
    check(
        pattern.byteSize() > 0 && pattern.byteSize() % row == 0,
        "fill",
        "a row takes %d bytes, the pattern has %d".formatted(row, pattern.byteSize()),
        tensor);
  }

  public static void receive(Tensor to, Tensor from) {
    check(to.byteSize() == from.byteSize(), "receive", "sizes differ", to, from);
  }

  /**
   * Of {@link Backend#replace}.
   *
   * @param kept what the backend would keep {@code expert} in
   */
  public static void replace(ExpertWeights experts, int index, HostTensor expert, Encoding kept) {
    if (index < 0 || index >= experts.count()) {
      throw new IllegalArgumentException(
          "replace: expert %d of %s, which has %d"
              .formatted(index, experts.name(), experts.count()));
    }
    if (expert.rows() != experts.rows()
        || expert.cols() != experts.cols()
        || !kept.equals(experts.encoding())) {
      throw new IllegalArgumentException(
          "replace: %s in the place of %s".formatted(expert, experts.experts().get(index)));
    }
  }

  // ---- the words of the checks ------------------------------------------------------------------

  private static void product(String op, Tensor x, long k, long n, Tensor out, Tensor w) {
    encoding(op, Encoding.F32, x, out);
    weight(op, w);
    check(x.cols() == k, op, "x is not " + k + " wide", x, w);
    check(out.cols() == n, op, "out is not " + n + " wide", out, w);
  }

  private static void experts(String op, ExpertWeights w, Dispatch dispatch) {
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

  private static void dispatch(String op, Dispatch d) {
    encoding(op, Encoding.I32, d.offset(), d.slot(), d.place());
    check(d.offset().rows() == 1 && d.offset().cols() > 1, op, "not [1, E+1]", d.offset());
    check(d.slot().rows() == 1, op, "not [1, T·K]", d.slot());
    sameShape(op, d.slot(), d.place());
    check(d.used() > 0 && d.slots() % d.used() == 0, op, d.used() + " per token", d.slot());
  }

  private static long tokens(Dispatch dispatch) {
    return dispatch.slots() / dispatch.used();
  }

  private static void cache(String op, LatentCache cache) {
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

  private static void batch(String op, StepBatch batch, Tensor... rows) {
    encoding(op, Encoding.I32, batch.position(), batch.sequence(), batch.kvLength(), batch.pages());
    for (Tensor t : List.of(batch.position(), batch.sequence(), batch.kvLength())) {
      shape(op, "[1, T]", 1, batch.tokens(), t);
    }
    for (Tensor t : rows) {
      check(t.rows() == batch.tokens(), op, "the step has " + batch.tokens() + " rows", t);
    }
  }

  private static void perHead(String op, Tensor t, int offset, long count, int heads) {
    check(heads > 0 && t.cols() % heads == 0, op, heads + " heads do not divide the columns", t);
    long stride = t.cols() / heads;
    check(
        offset >= 0 && count >= 0 && offset + count <= stride,
        op,
        "elements %d to %d of a head of %d".formatted(offset, offset + count, stride),
        t);
  }

  private static void weight(String op, Tensor w) {
    check(!w.encoding().equals(Encoding.I32), op, "weights are not I32", w);
  }

  private static void encoding(String op, Encoding want, Tensor... tensors) {
    for (Tensor t : tensors) {
      check(t.encoding().equals(want), op, "must be " + want.label(), t);
    }
  }

  private static void sameShape(String op, Tensor a, Tensor b) {
    check(a.rows() == b.rows() && a.cols() == b.cols(), op, "shapes differ", a, b);
  }

  private static void shape(String op, String letters, long rows, long cols, Tensor t) {
    check(
        t.rows() == rows && t.cols() == cols,
        op,
        "%s is [%d, %d] here".formatted(letters, rows, cols),
        t);
  }

  private static void width(String op, String letters, long cols, Tensor t) {
    check(t.cols() == cols, op, "%s is %d here".formatted(letters, cols), t);
  }

  private static void apartOrSame(String op, Tensor out, Tensor in) {
    if (out.byteOffset() != in.byteOffset() || out.byteSize() != in.byteSize()) {
      apart(op, out, in);
    }
  }

  private static void apart(String op, Tensor out, Tensor... inputs) {
    for (Tensor in : inputs) {
      check(
          out.buffer() != in.buffer()
              || out.byteOffset() + out.byteSize() <= in.byteOffset()
              || in.byteOffset() + in.byteSize() <= out.byteOffset(),
          op,
          "out overlaps an input",
          out,
          in);
    }
  }

  private static void check(boolean ok, String op, String what, Tensor... tensors) {
    if (!ok) {
      StringBuilder message = new StringBuilder(op).append(": ").append(what);
      for (int i = 0; i < tensors.length; i++) {
        message.append(i == 0 ? ": " : ", ").append(tensors[i]);
      }
      throw new IllegalArgumentException(message.toString());
    }
  }
}
