package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceQueue.Recording;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An expert in the place of another. */
public abstract class ReplacementConformance extends Conformance {
  static final List<String> ENCODINGS = ExpertsConformance.ENCODINGS;

  private static final int COUNT = 4;
  private static final int ROWS = 33;

  /** Those that are there first have the numbers 0 to 3. */
  private HostTensor expert(String encoding, int number) {
    Encoding e = encoding(encoding);
    int block = e.blockElements();
    return rig.weight(e, ROWS, block == 1 ? 72 : 2 * block, 500 + number);
  }

  private List<HostTensor> experts(String encoding, int... numbers) {
    return Arrays.stream(numbers).mapToObj(n -> expert(encoding, n)).toList();
  }

  private ExpertWeights upload(String encoding, int... numbers) {
    return rig.backend().uploadExperts("experts", experts(encoding, numbers));
  }

  /** What the experts make of few rows and of many, in a recording of their own. */
  private List<float[]> products(ExpertWeights experts) {
    List<float[]> all = new ArrayList<>();
    for (int tokens : new int[] {2, 180}) {
      Values ids = Choices.ids(tokens, COUNT, 3, 0, "spread");
      try (Bench bench = new Bench(rig.backend())) {
        Tensor chosen = bench.integers("ids", ids);
        Dispatch dispatch = bench.dispatch(COUNT, tokens, 3);
        Tensor x = bench.input("x", Values.normal(tokens, (int) experts.cols(), 5));
        Tensor out = bench.output("out", tokens * 3, ROWS, Tolerance.exact());
        bench.load(0);
        Ops ops = rig.queue().ops();
        try (Recording step =
            rig.queue()
                .record(
                    () -> {
                      ops.permute(chosen, dispatch);
                      ops.groupedMatmul(x, Ops.Gather.BY_TOKEN, experts, dispatch, out);
                    })) {
          step.replay();
          rig.queue().synchronize();
        }
        all.add(bench.results().getLast());
      }
    }
    return all;
  }

  private static void assertSame(List<float[]> want, List<float[]> got) {
    assertEquals(want.size(), got.size());
    IntStream.range(0, want.size()).forEach(i -> assertArrayEquals(want.get(i), got.get(i)));
  }

  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void theNewExpertIsAsIfUploadedWithTheOthers(String encoding) {
    ExpertWeights experts = upload(encoding, 0, 1, 2, 3);
    List<float[]> before = products(experts);
    for (int index : new int[] {2, 0, 3}) {
      experts = rig.backend().replace(experts, index, expert(encoding, 10 + index));
    }
    List<float[]> after = products(experts);
    assertSame(products(upload(encoding, 10, 1, 12, 13)), after);
    assertFalse(Arrays.equals(before.getFirst(), after.getFirst()), "nothing has changed");
  }

  /** A balancer places experts one by one. */
  @ParameterizedTest
  @ValueSource(strings = {"F32", "FP8_E4M3", "Q4_K"})
  void expertsThatLieApartAreReplaced(String encoding) {
    Backend backend = rig.backend();
    ExpertWeights experts =
        new ExpertWeights(
            "apart", experts(encoding, 3, 2, 1, 0).stream().map(backend::upload).toList());
    products(experts);
    experts = backend.replace(experts, 1, expert(encoding, 12));
    experts = backend.replace(experts, 0, expert(encoding, 13));
    assertSame(products(upload(encoding, 13, 12, 1, 0)), products(experts));
  }

  /** Those of float4 pairs are made for a moment: a model's would take twice the room. */
  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void expertsMayGoOnceTheyAreUploadedWhereTheBackendSaysSo(String encoding) {
    Backend backend = rig.backend();
    assumeFalse(backend.borrowsExperts(encoding(encoding)), "the backend borrows them");
    List<float[]> before = products(upload(encoding, 0, 1, 2, 3));
    List<float[]> after = products(upload(encoding, 0, 11, 2, 3));
    ExpertWeights experts;
    try (Arena passing = Arena.ofShared()) {
      List<HostTensor> hosts = passing(experts(encoding, 0, 1, 2, 3), passing);
      experts = backend.uploadExperts("passing", hosts);
      hosts.forEach(host -> host.data().fill((byte) -1));
    }
    assertSame(before, products(experts));
    try (Arena passing = Arena.ofShared()) {
      List<HostTensor> hosts = passing(experts(encoding, 11), passing);
      experts = backend.replace(experts, 1, hosts.getFirst());
      hosts.forEach(host -> host.data().fill((byte) -1));
    }
    assertSame(after, products(experts));
  }

  private static List<HostTensor> passing(List<HostTensor> experts, Arena arena) {
    return experts.stream()
        .map(
            t ->
                new HostTensor(
                    t.name(),
                    t.encoding(),
                    t.rows(),
                    t.cols(),
                    copy(t.data(), arena),
                    t.scales().map(scales -> copy(scales, arena))))
        .toList();
  }

  private static MemorySegment copy(MemorySegment from, Arena arena) {
    return arena.allocate(from.byteSize(), 64).copyFrom(from);
  }

  @Test
  void aReplacedExpertIsReplacedAgain() {
    ExpertWeights experts = upload("Q4_K", 0, 1, 2, 3);
    for (int round = 0; round < 50; round++) {
      if (round % 20 == 0) {
        products(experts);
      }
      experts = rig.backend().replace(experts, round % COUNT, expert("Q4_K", round));
    }
    assertSame(products(upload("Q4_K", 48, 49, 46, 47)), products(experts));
  }

  @Test
  void anExpertOfAnotherShapeOrEncodingOrNowhereIsRefusedAndNothingChanges() {
    ExpertWeights experts = upload("Q8_0", 0, 1, 2, 3);
    List<float[]> before = products(experts);
    HostTensor narrow = rig.weight(experts.encoding(), ROWS, 32, 1);
    HostTensor low = rig.weight(experts.encoding(), ROWS - 1, 64, 1);
    HostTensor other = rig.weight(Encoding.F32, ROWS, 64, 1);
    for (HostTensor wrong : List.of(narrow, low, other)) {
      refused(experts, 1, wrong, "in the place of");
    }
    refused(experts, -1, expert("Q8_0", 9), "which has 4");
    refused(experts, COUNT, expert("Q8_0", 9), "which has 4");
    assertSame(before, products(experts));
  }

  private void refused(ExpertWeights experts, int index, HostTensor expert, String message) {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> rig.backend().replace(experts, index, expert));
    assertTrue(e.getMessage().contains(message), e::getMessage);
  }
}
