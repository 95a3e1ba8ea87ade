package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.reflect.Method;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Wrong calls: refused before anything is enqueued, naming the op, the tensors and their shapes.
 */
public abstract class RefusalsConformance extends Conformance {
  private static final MlaShape SHAPE = new MlaShape(2, 4, 2, 3, 6, 1);
  private static final GroupedShape GROUPED = new GroupedShape(2, 1, 4, 1);
  private static final IndexShape INDEX = new IndexShape(2, 4, 2, 3, false);
  private static final GateRule RULE =
      new GateRule(GateRule.Scoring.SOFTMAX, 8, 2, 1, 1, GateRule.GroupScore.MAX, false, 1);

  interface Call {
    void on(Ops ops, Shapes s);
  }

  private static Arguments call(String message, Call call) {
    return Arguments.of(message, call);
  }

  /** What the message must hold, part by part, and the call; the step has 3 rows. */
  static Stream<Arguments> wrongCalls() {
    return Stream.concat(callsOfAll(), CompressedRefusals.wrongCalls());
  }

  private static Stream<Arguments> callsOfAll() {
    return Stream.of(
        call(
            "embed | table F32 [9, 4] | out F32 [3, 5]",
            (o, s) -> o.embed(s.f32("table", 9, 4), s.i32("row", 1, 3), s.f32("out", 3, 5))),
        call(
            "embed | must be I32 | row F32 [1, 3]",
            (o, s) -> o.embed(s.f32("table", 9, 4), s.f32("row", 1, 3), s.f32("out", 3, 4))),
        call(
            "rmsNorm | weight F32 [1, 5] | x F32 [3, 4]",
            (o, s) -> o.rmsNorm(s.f32("x", 3, 4), s.f32("weight", 1, 5), 0, s.f32("out", 3, 4))),
        call(
            "add | a F32 [3, 4] | b F32 [4, 3]",
            (o, s) -> o.add(s.f32("a", 3, 4), s.f32("b", 4, 3), s.f32("out", 3, 4))),
        call(
            "concat | a F32 [3, 4] | b F32 [3, 2] | out F32 [3, 7]",
            (o, s) -> o.concat(s.f32("a", 3, 4), s.f32("b", 3, 2), s.f32("out", 3, 7))),
        call(
            "siluMul | gate F32 [3, 4] | out F32 [2, 4]",
            (o, s) -> o.siluMul(s.f32("gate", 3, 4), s.f32("up", 3, 4), s.f32("out", 2, 4))),
        call(
            "matmul | x F32 [3, 4] | w F32 [6, 5]",
            (o, s) -> o.matmul(s.f32("x", 3, 4), s.f32("w", 6, 5), s.f32("out", 3, 6))),
        call(
            "matmul | out F32 [3, 5] | w F32 [6, 4]",
            (o, s) -> o.matmul(s.f32("x", 3, 4), s.f32("w", 6, 4), s.f32("out", 3, 5))),
        call(
            "matmul | must be F32 | x F16 [3, 4]",
            (o, s) ->
                o.matmul(s.tensor("x", Encoding.F16, 3, 4), s.f32("w", 6, 4), s.f32("out", 3, 6))),
        call(
            "matmul | overlaps | out F32 [3, 4] | x F32 [3, 4]",
            (o, s) -> {
              Tensor x = s.f32("x", 3, 4);
              Tensor out = new Tensor("out", x.buffer(), x.byteOffset() + 4, Encoding.F32, 3, 4);
              o.matmul(x, s.f32("w", 4, 4), out);
            }),
        call(
            "matmulPerHead | elements 2 to 6 of a head of 5 | x F32 [3, 10]",
            (o, s) ->
                o.matmulPerHead(s.f32("x", 3, 10), 2, s.f32("w", 6, 4), 2, s.f32("out", 3, 6), 0)),
        call(
            "matmulPerHead | 4 heads | w F32 [6, 4]",
            (o, s) ->
                o.matmulPerHead(s.f32("x", 3, 16), 0, s.f32("w", 6, 4), 4, s.f32("out", 3, 16), 0)),
        call(
            "copyPerHead | elements 3 to 6 of a head of 5 | out F32 [3, 10]",
            (o, s) -> o.copyPerHead(s.f32("x", 3, 10), 0, 3, 2, s.f32("out", 3, 10), 3)),
        call(
            "rope | 3 rows | x F32 [2, 4]",
            (o, s) -> {
              Tensor x = s.f32("x", 2, 4);
              o.rope(x, 0, 1, s.f32("table", 9, 4), s.batch(), x, 0);
            }),
        call(
            "rope | even | table F32 [9, 3]",
            (o, s) ->
                o.rope(
                    s.f32("x", 3, 4),
                    0,
                    1,
                    s.f32("table", 9, 3),
                    s.batch(),
                    s.f32("out", 3, 4),
                    0)),
        call(
            "appendLatent | kv F32 [3, 8] | cache F32 [8, 9]",
            (o, s) ->
                o.appendLatent(
                    s.f32("kv", 3, 8),
                    s.f32("norm", 1, 6),
                    0,
                    s.f32("table", 9, 2),
                    s.cache(9),
                    s.batch())),
        call(
            "appendLatent | whole pages of 3 | cache F32 [8, 8]",
            (o, s) ->
                o.appendLatent(
                    s.f32("kv", 3, 8),
                    s.f32("norm", 1, 6),
                    0,
                    s.f32("table", 9, 2),
                    new KvCache(s.f32("cache", 8, 8), 3),
                    s.batch())),
        call(
            "addRow | not [1, C] | row F32 [1, 3] | x F32 [3, 4]",
            (o, s) -> o.addRow(s.f32("x", 3, 4), s.f32("row", 1, 3))),
        call(
            "append | 2·G·D is 8 | cache F32 [8, 9]",
            (o, s) ->
                o.append(
                    s.f32("k", 3, 4),
                    s.f32("v", 3, 4),
                    s.f32("table", 9, 4),
                    s.cache(9),
                    GROUPED,
                    s.batch())),
        call(
            "attend | N·D is 8 | q F32 [3, 12]",
            (o, s) ->
                o.attend(s.f32("q", 3, 12), s.cache(8), GROUPED, s.batch(), s.f32("out", 3, 8))),
        call(
            "appendIndex | I is 4 | cache F32 [8, 5]",
            (o, s) ->
                o.appendIndex(
                    s.f32("keys", 3, 4),
                    s.f32("norm", 1, 4),
                    s.f32("bias", 1, 4),
                    0,
                    s.f32("table", 9, 2),
                    s.cache(5),
                    INDEX,
                    s.batch())),
        call(
            "select | more than the 3 | rows I32 [3, 4]",
            (o, s) ->
                o.select(
                    s.f32("q", 3, 8),
                    s.f32("weights", 3, 2),
                    s.cache(4),
                    INDEX,
                    s.batch(),
                    new Selection(
                        s.i32("rows", 3, 4), s.i32("sequence", 1, 3), s.i32("count", 1, 3)))),
        call(
            "mlaDecode | 16 | q F32 [3, 12]",
            (o, s) ->
                o.mlaDecode(s.f32("q", 3, 12), s.cache(8), SHAPE, s.batch(), s.f32("out", 3, 12))),
        call(
            "mlaPrefill | [12, 4] | keyUp F32 [12, 5]",
            (o, s) ->
                o.mlaPrefill(
                    s.f32("q", 3, 12),
                    s.cache(8),
                    s.f32("keyUp", 12, 5),
                    s.f32("valueUp", 6, 6),
                    SHAPE,
                    s.batch(),
                    s.f32("out", 3, 6))),
        call(
            "mlaAbsorbed | N·V is 6 here | out F32 [3, 7]",
            (o, s) ->
                o.mlaAbsorbed(
                    s.f32("q", 3, 12),
                    s.cache(8),
                    s.f32("keyUp", 12, 4),
                    s.f32("valueUp", 6, 6),
                    SHAPE,
                    s.batch(),
                    s.f32("out", 3, 7))),
        call(
            "mlaChosen | I32 | rows F32 [3, 3]",
            (o, s) ->
                o.mlaChosen(
                    s.f32("q", 3, 12),
                    s.cache(8),
                    s.f32("keyUp", 12, 4),
                    s.f32("valueUp", 6, 6),
                    SHAPE,
                    s.batch(),
                    new Selection(
                        s.f32("rows", 3, 3), s.i32("sequence", 1, 3), s.i32("count", 1, 3)),
                    s.f32("out", 3, 6))),
        call(
            "route | 8 | logits F32 [3, 7]",
            (o, s) ->
                o.route(
                    s.f32("logits", 3, 7),
                    Optional.empty(),
                    RULE,
                    s.batch(),
                    s.i32("ids", 3, 2),
                    s.f32("weights", 3, 2))),
        call(
            "permute | ids I32 [3, 2] | slot I32 [1, 8]",
            (o, s) -> o.permute(s.i32("ids", 3, 2), s.dispatch(4, 8))),
        call(
            "groupedMatmul | 3 experts in w, 4 in the dispatch",
            (o, s) ->
                o.groupedMatmul(
                    s.f32("x", 3, 5),
                    Ops.Gather.BY_TOKEN,
                    s.experts(3, 7, 5),
                    s.dispatch(4, 6),
                    s.f32("out", 6, 7))),
        call(
            "groupedMatmul | IN_PLACE reads 6 rows | x F32 [3, 5]",
            (o, s) ->
                o.groupedMatmul(
                    s.f32("x", 3, 5),
                    Ops.Gather.IN_PLACE,
                    s.experts(4, 7, 5),
                    s.dispatch(4, 6),
                    s.f32("out", 6, 7))),
        call(
            "combine | y F32 [6, 5] | out F32 [3, 4]",
            (o, s) ->
                o.combine(
                    s.f32("y", 6, 5),
                    s.dispatch(4, 6),
                    s.f32("weights", 3, 2),
                    Optional.empty(),
                    s.f32("out", 3, 4))),
        call(
            "combine | base F32 [3, 4] | out F32 [3, 5]",
            (o, s) ->
                o.combine(
                    s.f32("y", 6, 5),
                    s.dispatch(4, 6),
                    s.f32("weights", 3, 2),
                    Optional.of(s.f32("base", 3, 4)),
                    s.f32("out", 3, 5))),
        call(
            "addRmsNorm | overlaps | out F32 [3, 4] | x F32 [3, 4]",
            (o, s) -> {
              Tensor x = s.f32("x", 3, 4);
              Tensor out = new Tensor("out", x.buffer(), x.byteOffset(), Encoding.F32, 3, 4);
              o.addRmsNorm(x, s.f32("y", 3, 4), s.f32("weight", 1, 4), 0, out);
            }),
        call(
            "ropeAppend | kv F32 [3, 8] | cache F32 [8, 9]",
            (o, s) ->
                o.ropeAppend(
                    s.f32("q", 3, 12),
                    4,
                    2,
                    s.f32("kv", 3, 8),
                    s.f32("norm", 1, 6),
                    0,
                    s.f32("table", 9, 2),
                    s.cache(9),
                    s.batch())),
        call(
            "ropeAppend | elements 5 to 7 of a head of 6 | q F32 [3, 12]",
            (o, s) ->
                o.ropeAppend(
                    s.f32("q", 3, 12),
                    5,
                    2,
                    s.f32("kv", 3, 8),
                    s.f32("norm", 1, 6),
                    0,
                    s.f32("table", 9, 2),
                    s.cache(8),
                    s.batch())),
        call(
            "gate | [8, 5] | router F32 [8, 4]",
            (o, s) ->
                o.gate(
                    s.f32("x", 3, 5),
                    s.f32("router", 8, 4),
                    Optional.empty(),
                    RULE,
                    s.batch(),
                    s.i32("ids", 3, 2),
                    s.f32("weights", 3, 2))),
        call(
            "topK | 1 to 7, is 8 | logits F32 [3, 7]",
            (o, s) -> o.topK(s.f32("logits", 3, 7), s.i32("ids", 3, 8), s.f32("values", 3, 8))),
        call(
            "topK | 1 to 128, is 129 | logits F32 [3, 300]",
            (o, s) ->
                o.topK(s.f32("logits", 3, 300), s.i32("ids", 3, 129), s.f32("values", 3, 129))),
        call(
            "expertFfn | w F32 [5, 6] | w F32 [7, 5]",
            (o, s) ->
                o.expertFfn(
                    s.f32("x", 3, 5),
                    s.experts(4, 7, 5),
                    s.experts(4, 7, 5),
                    s.experts(4, 5, 6),
                    s.dispatch(4, 6),
                    s.f32("out", 6, 5))),
        call(
            "gatedMlp | gate F32 [6, 4] | up F32 [5, 4]",
            (o, s) ->
                o.gatedMlp(
                    s.f32("x", 3, 4), s.f32("gate", 6, 4), s.f32("up", 5, 4), s.f32("out", 3, 6))),
        call(
            "rmsNormMatmul | norm F32 [1, 3] | x F32 [3, 4]",
            (o, s) ->
                o.rmsNormMatmul(
                    s.f32("x", 3, 4),
                    s.f32("norm", 1, 3),
                    0,
                    s.f32("w", 6, 4),
                    s.f32("out", 3, 6))));
  }

  @Test
  void everyOpHasAWrongCall() {
    Set<String> refused =
        wrongCalls().map(c -> c.get()[0].toString().split(" ")[0]).collect(Collectors.toSet());
    Set<String> ops =
        Stream.of(Ops.class.getMethods())
            .filter(
                m ->
                    Stream.of(m.getParameterTypes())
                        .anyMatch(t -> t == Tensor.class || t == Ring.class))
            .map(Method::getName)
            .collect(Collectors.toSet());
    assertEquals(ops, refused);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongCalls")
  void refuses(String message, Call call) {
    try (Bench bench = new Bench(rig.backend());
        DeviceBuffer buffer = rig.backend().allocate(1 << 16, "shapes")) {
      StepBatch batch = bench.step(Steps.of(4, Steps.step(3, 4, 2, 1, List.of(span(0, 3)))));
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> call.on(rig.queue().ops(), new Shapes(buffer, batch)));
      for (String part : message.split(" \\| ")) {
        assertTrue(e.getMessage().contains(part), () -> "no '" + part + "' in: " + e.getMessage());
      }
    }
  }
}
