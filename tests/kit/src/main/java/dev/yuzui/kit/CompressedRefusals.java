package dev.yuzui.kit;

import dev.yuzui.kit.RefusalsConformance.Call;
import dev.yuzui.spi.CompressedOps.Blocks;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/** Wrong calls of {@link dev.yuzui.spi.CompressedOps}; the step has 3 rows. */
final class CompressedRefusals {
  private static final HyperShape STREAMS = new HyperShape(2, 3, 0, 0);
  private static final MlaShape SHAPE = new MlaShape(2, 4, 2, 3, 6, 1);
  private static final GateRule RULE =
      new GateRule(GateRule.Scoring.SQRT_SOFTPLUS, 8, 2, 1, 1, GateRule.GroupScore.MAX, true, 1);

  private CompressedRefusals() {}

  private static Arguments call(String message, Call call) {
    return Arguments.of(message, call);
  }

  static Stream<Arguments> wrongCalls() {
    return Stream.of(
        call(
            "readStreams | S·(2+S) is 8 | mixes F32 [3, 7]",
            (o, s) ->
                o.readStreams(
                    s.f32("x", 3, 8),
                    s.f32("mixes", 3, 7),
                    s.f32("base", 1, 8),
                    s.f32("scale", 1, 3),
                    STREAMS,
                    Optional.of(s.f32("mix", 3, 6)),
                    s.f32("out", 3, 4))),
        call(
            "readStreams | the scale is [1, 1] | scale F32 [1, 3]",
            (o, s) ->
                o.readStreams(
                    s.f32("x", 3, 8),
                    s.f32("mixes", 3, 2),
                    s.f32("base", 1, 2),
                    s.f32("scale", 1, 3),
                    STREAMS,
                    Optional.empty(),
                    s.f32("out", 3, 4))),
        call(
            "writeStreams | S·H is 8 | x F32 [3, 9]",
            (o, s) ->
                o.writeStreams(s.f32("x", 3, 9), s.f32("y", 3, 4), s.f32("mix", 3, 6), STREAMS)),
        call(
            "wholeBlocks | token at least, not 0 | length I32 [1, 3]",
            (o, s) -> o.wholeBlocks(s.i32("length", 1, 3), 0, s.i32("out", 1, 3))),
        call(
            "stage | no room for the step's rows at 6 | x F32 [3, 4] | rows F32 [8, 4]",
            (o, s) -> o.stage(s.f32("x", 3, 4), new Ring(s.f32("rows", 8, 4), 0, 2, 6))),
        call(
            "stage | no room | rows F32 [8, 4]",
            (o, s) -> o.stage(s.f32("x", 3, 4), new Ring(s.f32("rows", 8, 4), 0, 2, -1))),
        call(
            "keep | no cache's encoding | rows Q4_0 [8, 32]",
            (o, s) ->
                o.keep(
                    s.f32("x", 3, 32),
                    new Ring(
                        s.tensor("rows", Encoding.byLabel("Q4_0").orElseThrow(), 8, 32), 0, 2, -1),
                    s.batch())),
        call(
            "appendBlock | a block needs 8 rows | state F32 [9, 16]",
            (o, s) ->
                o.appendBlock(
                    s.f32("x", 3, 16),
                    s.f32("ape", 4, 8),
                    s.f32("norm", 1, 4),
                    0,
                    s.f32("table", 9, 2),
                    Rounding.NONE,
                    new Ring(s.f32("state", 9, 16), 0, 6, -1),
                    s.cache(4),
                    s.batch())),
        call(
            "appendBlock | 2·D where they overlap | ape F32 [4, 6] | norm F32 [1, 4]",
            (o, s) ->
                o.appendBlock(
                    s.f32("x", 3, 12),
                    s.f32("ape", 4, 6),
                    s.f32("norm", 1, 4),
                    0,
                    s.f32("table", 9, 2),
                    Rounding.NONE,
                    new Ring(s.f32("state", 9, 12), 0, 8, -1),
                    s.cache(4),
                    s.batch())),
        call(
            "round | E4M3 has blocks of 64 | x F32 [3, 100]",
            (o, s) -> o.round(s.f32("x", 3, 100), 1, 0, Rounding.E4M3)),
        call(
            "round | E2M1 has blocks of 32 | x F32 [3, 96]",
            (o, s) -> o.round(s.f32("x", 3, 96), 1, 0, Rounding.E2M1)),
        call(
            "look | too narrow | rows I32 [3, 6]",
            (o, s) ->
                o.look(
                    new Ring(s.f32("layer", 20, 4), 0, 4, 8),
                    4,
                    Optional.empty(),
                    Optional.of(selection(s, 3)),
                    s.batch(),
                    selection(s, 6))),
        call(
            "look | a window of 6 | layer F32 [20, 4]",
            (o, s) ->
                o.look(
                    new Ring(s.f32("layer", 20, 4), 0, 4, 8),
                    6,
                    Optional.of(new Blocks(s.cache(4), s.i32("seen", 1, 3))),
                    Optional.empty(),
                    s.batch(),
                    selection(s, 9))),
        call(
            "sinkDecode | [1, N] is [1, 2] | sinks F32 [1, 3]",
            (o, s) ->
                o.sinkDecode(
                    s.f32("q", 3, 16),
                    s.cache(8),
                    s.f32("sinks", 1, 3),
                    SHAPE,
                    s.batch(),
                    s.f32("out", 3, 12))),
        call(
            "routeByToken | K is 2 | table I32 [9, 3]",
            (o, s) ->
                o.routeByToken(
                    s.f32("logits", 3, 8),
                    s.i32("table", 9, 3),
                    RULE,
                    s.batch(),
                    s.i32("ids", 3, 2),
                    s.f32("weights", 3, 2))),
        call(
            "clampedSiluMul | a limit above 0, not -1.0 | gate F32 [3, 4]",
            (o, s) ->
                o.clampedSiluMul(s.f32("gate", 3, 4), s.f32("up", 3, 4), -1, s.f32("out", 3, 4))));
  }

  private static Selection selection(Shapes s, int wide) {
    return new Selection(s.i32("rows", 3, wide), s.i32("sequence", 1, 3), s.i32("count", 1, 3));
  }
}
