package dev.yuzui.spi;

import static dev.yuzui.spi.Checks.apart;
import static dev.yuzui.spi.Checks.apartOrSame;
import static dev.yuzui.spi.Checks.batch;
import static dev.yuzui.spi.Checks.check;
import static dev.yuzui.spi.Checks.dispatch;
import static dev.yuzui.spi.Checks.encoding;
import static dev.yuzui.spi.Checks.experts;
import static dev.yuzui.spi.Checks.perHead;
import static dev.yuzui.spi.Checks.product;
import static dev.yuzui.spi.Checks.sameShape;
import static dev.yuzui.spi.Checks.shape;
import static dev.yuzui.spi.Checks.tokens;
import static dev.yuzui.spi.Checks.weight;
import static dev.yuzui.spi.Checks.width;

import java.util.Optional;

/**
 * A device's ops with their arguments checked before anything is enqueued: encodings, shapes,
 * overlaps. {@link AbstractQueue} puts it around every backend's ops, so that a wrong call has one
 * message everywhere, an {@link IllegalArgumentException}. Contents (ids, lengths, page numbers)
 * lie on the device and are not looked at. What a composite op of the device calls is not checked
 * again.
 */
record CheckedOps(AbstractQueue queue, Ops device)
    implements CheckedAttentionOps, CheckedCompressedOps {

  @Override
  public Ops to() {
    queue.requireOpen();
    return device;
  }

  @Override
  public Scratch scratch() {
    return device.scratch();
  }

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    encoding("embed", Encoding.I32, row);
    encoding("embed", Encoding.F32, out);
    check(row.rows() == 1, "embed", "row must be [1, T]", row);
    check(out.rows() == row.cols(), "embed", "out needs a row for each of row's columns", row, out);
    check(out.cols() == table.cols(), "embed", "columns differ", table, out);
    apart("embed", out, table, row);
    to().embed(table, row, out);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    encoding("rmsNorm", Encoding.F32, x, weight, out);
    check(weight.rows() == 1 && weight.cols() == x.cols(), "rmsNorm", "not [1, H]", weight, x);
    sameShape("rmsNorm", x, out);
    apartOrSame("rmsNorm", out, x);
    apart("rmsNorm", out, weight);
    to().rmsNorm(x, weight, eps, out);
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    encoding("add", Encoding.F32, a, b, out);
    sameShape("add", a, b);
    sameShape("add", a, out);
    apartOrSame("add", out, a);
    apartOrSame("add", out, b);
    to().add(a, b, out);
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    encoding("addRow", Encoding.F32, x, row);
    check(row.rows() == 1 && row.cols() == x.cols(), "addRow", "not [1, C]", row, x);
    apart("addRow", x, row);
    to().addRow(x, row);
  }

  @Override
  public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    String op = "addRmsNorm";
    encoding(op, Encoding.F32, x, y, weight, out);
    sameShape(op, x, y);
    sameShape(op, x, out);
    check(weight.rows() == 1 && weight.cols() == x.cols(), op, "not [1, H]", weight, x);
    apart(op, out, x, y, weight);
    apart(op, x, y, weight);
    to().addRmsNorm(x, y, weight, eps, out);
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    encoding("concat", Encoding.F32, a, b, out);
    check(a.rows() == b.rows() && a.rows() == out.rows(), "concat", "rows differ", a, b, out);
    check(a.cols() + b.cols() == out.cols(), "concat", "columns do not add up", a, b, out);
    apart("concat", out, a, b);
    to().concat(a, b, out);
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    encoding("siluMul", Encoding.F32, gate, up, out);
    sameShape("siluMul", gate, up);
    sameShape("siluMul", gate, out);
    apartOrSame("siluMul", out, gate);
    apart("siluMul", out, up);
    to().siluMul(gate, up, out);
  }

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    product("matmul", x, w.cols(), w.rows(), out, w);
    check(x.rows() == out.rows(), "matmul", "x and out differ in rows", x, out);
    apart("matmul", out, x, w);
    to().matmul(x, w, out);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    String op = "matmulPerHead";
    encoding(op, Encoding.F32, x, out);
    weight(op, w);
    check(x.rows() == out.rows(), op, "x and out differ in rows", x, out);
    check(heads > 0 && w.rows() % heads == 0, op, heads + " heads do not divide w's rows", w);
    perHead(op, x, xOffset, w.cols(), heads);
    perHead(op, out, outOffset, w.rows() / heads, heads);
    apart(op, out, x, w);
    to().matmulPerHead(x, xOffset, w, heads, out, outOffset);
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    encoding("copyPerHead", Encoding.F32, x, out);
    check(x.rows() == out.rows(), "copyPerHead", "rows differ", x, out);
    perHead("copyPerHead", x, xOffset, count, heads);
    perHead("copyPerHead", out, outOffset, count, heads);
    apart("copyPerHead", out, x);
    to().copyPerHead(x, xOffset, count, heads, out, outOffset);
  }

  @Override
  public void route(
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
    to().route(logits, bias, rule, batch, ids, weights);
  }

  @Override
  public void gate(
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
    to().gate(x, w, bias, rule, batch, ids, weights);
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

  @Override
  public void permute(Tensor ids, Dispatch out) {
    encoding("permute", Encoding.I32, ids);
    dispatch("permute", out);
    width("permute", "K", out.used(), ids);
    check(ids.rows() * ids.cols() == out.slots(), "permute", "slots differ", ids, out.slot());
    to().permute(ids, out);
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    String op = "groupedMatmul";
    experts(op, w, dispatch);
    Tensor first = w.experts().getFirst();
    product(op, x, w.cols(), w.rows(), out, first);
    long rows = gather == Ops.Gather.BY_TOKEN ? tokens(dispatch) : dispatch.slots();
    check(x.rows() == rows, op, gather + " reads " + rows + " rows", x, dispatch.slot());
    check(out.rows() == dispatch.slots(), op, "out needs T·K rows", out, dispatch.slot());
    apart(op, out, x);
    to().groupedMatmul(x, gather, w, dispatch, out);
  }

  @Override
  public void combine(
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
    to().combine(y, dispatch, weights, base, out);
  }

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
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
    to().topK(logits, ids, values);
  }

  @Override
  public void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    ffn("expertFfn", x, gate, up, down, dispatch, out);
    to().expertFfn(x, gate, up, down, dispatch, out);
  }

  @Override
  public void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      float limit,
      Dispatch dispatch,
      Tensor out) {
    ffn("expertFfn", x, gate, up, down, dispatch, out);
    check(limit > 0, "expertFfn", "a limit above 0, not " + limit, x);
    to().expertFfn(x, gate, up, down, limit, dispatch, out);
  }

  private static void ffn(
      String op,
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
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

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    gated("gatedMlp", x, gate, up, out);
    to().gatedMlp(x, gate, up, out);
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, float limit, Tensor out) {
    gated("gatedMlp", x, gate, up, out);
    check(limit > 0, "gatedMlp", "a limit above 0, not " + limit, x);
    to().gatedMlp(x, gate, up, limit, out);
  }

  private static void gated(String op, Tensor x, Tensor gate, Tensor up, Tensor out) {
    product(op, x, gate.cols(), gate.rows(), out, gate);
    check(gate.rows() == up.rows() && gate.cols() == up.cols(), op, "gate and up differ", gate, up);
    check(x.rows() == out.rows(), op, "x and out differ in rows", x, out);
    apart(op, out, x, gate, up);
  }

  @Override
  public void rmsNormMatmul(Tensor x, Tensor norm, float eps, Tensor w, Tensor out) {
    String op = "rmsNormMatmul";
    encoding(op, Encoding.F32, norm);
    check(norm.rows() == 1 && norm.cols() == x.cols(), op, "norm is not [1, H]", norm, x);
    product(op, x, w.cols(), w.rows(), out, w);
    check(x.rows() == out.rows(), op, "x and out differ in rows", x, out);
    apart(op, out, x, norm, w);
    to().rmsNormMatmul(x, norm, eps, w, out);
  }
}
