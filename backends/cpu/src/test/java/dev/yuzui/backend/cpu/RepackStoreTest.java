package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.RepackCache;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Starts that find what an earlier one repacked. */
class RepackStoreTest {
  private static final int ROWS = 300;
  private static final int COLS = 512;

  private final Arena arena = Arena.ofShared();
  private final List<String> notices = Collections.synchronizedList(new ArrayList<>());

  @TempDir private Path folder;

  @AfterEach
  void close() {
    arena.close();
  }

  /** One of each kind; some are repacked, and some are not. */
  private List<HostTensor> weights(long seed) {
    Random random = new Random(seed);
    return Encoding.all().stream()
        .map(encoding -> named(Native.weight(arena, random, encoding, ROWS, COLS), "w"))
        .toList();
  }

  private static HostTensor named(HostTensor w, String name) {
    return new HostTensor(
        name + " " + w.encoding().label(), w.encoding(), w.rows(), w.cols(), w.data(), w.scales());
  }

  private List<HostTensor> experts() {
    Random random = new Random(5);
    Encoding q4k = Encoding.byLabel("Q4_K").orElseThrow();
    return IntStream.range(0, 5)
        .mapToObj(e -> named(Native.weight(arena, random, q4k, ROWS, COLS), "expert[" + e + "]"))
        .toList();
  }

  private CpuBackend open(String device, RepackCache cache) {
    return (CpuBackend)
        new CpuProvider()
            .open(
                new BackendOptions(2, Optional.of(device), true, _ -> {})
                    .withRepackCache(cache)
                    .withNotice(notices::add));
  }

  private RepackCache cache(String fingerprint) {
    return new RepackCache(folder, "V2 Lite", fingerprint, 8 << 20);
  }

  /** A start: what the weights make, and the bytes that they take of memory. */
  private record Start(List<float[]> products, long bytes) {}

  private Start start(String device, RepackCache cache, List<HostTensor> weights) {
    try (CpuBackend backend = open(device, cache)) {
      List<Tensor> tensors = new ArrayList<>(weights.stream().map(backend::upload).toList());
      tensors.addAll(backend.uploadExperts("experts", experts()).experts());
      backend.uploaded();
      return new Start(
          tensors.stream().map(t -> product(backend, t)).toList(), backend.weightBytes());
    }
  }

  private static float[] product(CpuBackend backend, Tensor w) {
    try (DeviceBuffer buffer = backend.allocate(4L * (COLS + ROWS), "in and out");
        DeviceQueue queue = backend.openQueue();
        Arena own = Arena.ofConfined()) {
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, COLS);
      Tensor y = new Tensor("y", buffer, 4L * COLS, Encoding.F32, 1, ROWS);
      MemorySegment in = own.allocate(4L * COLS, 64);
      for (int i = 0; i < COLS; i++) {
        in.setAtIndex(ValueLayout.JAVA_FLOAT, i, i % 7 - 3);
      }
      backend.write(x, in);
      queue.ops().matmul(x, w, y);
      queue.synchronize();
      MemorySegment out = own.allocate(4L * ROWS, 64);
      backend.read(y, out);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  private static void assertSame(Start expected, Start found) {
    for (int i = 0; i < expected.products().size(); i++) {
      assertArrayEquals(expected.products().get(i), found.products().get(i), "weight " + i);
    }
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "cpu:java"})
  void theSecondStartMapsAndMakesTheSame(String device) throws IOException {
    Start first = start(device, cache("f00d"), weights(1));
    assertTrue(first.bytes() > 0);
    assertEquals(1, files().size());
    Path file = files().getFirst();
    assertEquals(1, notices.size(), notices::toString);
    assertTrue(notices.getFirst().endsWith("of repacked weights are written, for later starts"));
    Object written = Files.getAttribute(file, "unix:ino");

    notices.clear();
    Start second = start(device, cache("f00d"), weights(1));
    assertSame(first, second);
    assertEquals(0, second.bytes());
    assertEquals(written, Files.getAttribute(file, "unix:ino"));
    assertEquals(List.of(), notices);
  }

  @Test
  void withoutAFileItIsTheSameToo() {
    Start kept = start("cpu", cache("f00d"), weights(1));
    try (CpuBackend backend =
        (CpuBackend) new CpuProvider().open(BackendOptions.defaults().withThreads(2))) {
      List<HostTensor> all = weights(1);
      for (int i = 0; i < all.size(); i++) {
        assertArrayEquals(kept.products().get(i), product(backend, backend.upload(all.get(i))));
      }
      backend.uploaded();
    }
  }

  @Test
  void kernelsThatRepackOtherwiseHaveFilesOfTheirOwn() throws IOException {
    start("cpu", cache("f00d"), weights(1));
    start("cpu:java", cache("f00d"), weights(1));
    assertEquals(NativeKernels.find(_ -> {}).isPresent() ? 2 : 1, files().size());
  }

  @Test
  void everyModelHasItsOwn() throws IOException {
    Start first = start("cpu", cache("f00d"), weights(1));
    Start other = start("cpu", cache("beef"), weights(2));
    assertEquals(2, files().size());
    assertNotEquals(first.products().getFirst()[0], other.products().getFirst()[0]);
    assertSame(other, start("cpu", cache("beef"), weights(2)));
  }

  /** A checkpoint that was changed in place, and whose fingerprint does not show it. */
  @Test
  void aWeightThatIsAnotherIsRepacked() {
    start("cpu", cache("f00d"), weights(1));
    Start changed = start("cpu", cache("f00d"), weights(2));
    assertSame(start("cpu", cache("beef"), weights(2)), changed);
  }

  @Test
  void whatAFileLacksIsAddedToIt() {
    start("cpu", cache("f00d"), weights(1).subList(0, 2));
    Start all = start("cpu", cache("f00d"), weights(1));
    assertTrue(all.bytes() > 0);
    assertMapped(all);
    assertEquals(0, start("cpu", cache("f00d"), weights(1).subList(0, 2)).bytes());
  }

  /** In its preamble, in its header, and in a weight that is no expert's. */
  @Test
  void aDamagedFileIsNamedInALineAndMadeAnew() throws IOException {
    Start first = start("cpu", cache("f00d"), weights(1));
    Path file = files().getFirst();
    byte[] whole = Files.readAllBytes(file);
    for (int at : new int[] {9, 60, firstWeight(whole)}) {
      damage(file, whole, at);
      notices.clear();
      assertSame(first, start("cpu", cache("f00d"), weights(1)));
      assertTrue(
          notices.getFirst().startsWith(file + ": ")
              && notices.getFirst().endsWith("; it is made anew"),
          notices::toString);
      assertEquals(2, notices.size(), notices::toString);
      assertMapped(first);
    }
  }

  @Test
  void aDamagedExpertEndsTheStepThatAsksForIt() throws IOException {
    Start first = start("cpu", cache("f00d"), weights(1));
    Path file = files().getFirst();
    byte[] whole = Files.readAllBytes(file);
    damage(file, whole, whole.length - 1);
    try (CpuBackend backend = open("cpu", cache("f00d"))) {
      ExpertWeights experts = backend.uploadExperts("experts", experts());
      backend.uploaded();
      for (int e = 0; e < 4; e++) {
        product(backend, experts.experts().get(e));
      }
      BackendException damaged =
          assertThrows(BackendException.class, () -> product(backend, experts.experts().getLast()));
      assertTrue(
          damaged.getMessage().startsWith(file + ": checksum of expert[4] Q4_K ")
              && damaged.getMessage().endsWith("it is damaged: start again, which makes it anew"),
          damaged::getMessage);
    }
    assertEquals(List.of(), files());
    assertSame(first, start("cpu", cache("f00d"), weights(1)));
    assertMapped(first);
  }

  /** What is added to a file takes along nothing that is damaged, under a new checksum. */
  @Test
  void aDamagedExpertIsNotCopiedToANewFile() throws IOException {
    start("cpu", cache("f00d"), List.of());
    Path file = files().getFirst();
    byte[] whole = Files.readAllBytes(file);
    damage(file, whole, whole.length - 1);
    try (CpuBackend backend = open("cpu", cache("f00d"))) {
      weights(1).forEach(backend::upload);
      backend.uploadExperts("experts", experts());
      notices.clear();
      backend.uploaded();
      assertTrue(
          notices.getFirst().startsWith(file + ": checksum of expert[4] Q4_K "), notices::toString);
    }
    Start all = start("cpu", cache("f00d"), weights(1));
    assertTrue(all.bytes() > 0, "the expert is repacked");
    assertSame(start("cpu", cache("beef"), weights(1)), all);
    assertMapped(all);
  }

  private void assertMapped(Start expected) {
    Start again = start("cpu", cache("f00d"), weights(1));
    assertSame(expected, again);
    assertEquals(0, again.bytes());
  }

  private static void damage(Path file, byte[] whole, int at) throws IOException {
    byte[] damaged = whole.clone();
    damaged[at] ^= 16;
    Files.write(file, damaged);
  }

  private static int firstWeight(byte[] file) {
    int headerBytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(12);
    return Math.ceilDiv(28 + headerBytes, 4096) * 4096;
  }

  @Test
  void withoutRoomItSaysSoBeforeAndGoesOn() throws IOException {
    RepackCache huge = new RepackCache(folder.resolve("new"), "V2 Lite", "f00d", 1L << 60);
    Start start = start("cpu", huge, weights(1));
    assertTrue(start.bytes() > 0);
    assertEquals(1, notices.size(), notices::toString);
    assertTrue(
        notices.getFirst().contains(": expected 1073741824.00 GiB free for repacked weights, found")
            && notices.getFirst().endsWith("they are not kept this time"),
        notices::toString);
    assertEquals(List.of(), files());
  }

  @Test
  void aFolderThatCannotBeMadeIsNamedAndTheRunGoesOn() throws IOException {
    Path occupied = Files.writeString(folder.resolve("occupied"), "");
    RepackCache cache = new RepackCache(occupied.resolve("new"), "V2 Lite", "f00d", 0);
    Start start = start("cpu", cache, weights(1));
    assertTrue(start.bytes() > 0);
    assertTrue(
        notices.getLast().contains(": repacked weights cannot be kept: "), notices::toString);
  }

  /** Mapped strips are not written to. */
  @Test
  void anExpertIsReplacedInMemoryOfItsOwn() {
    start("cpu", cache("f00d"), List.of());
    try (CpuBackend backend = open("cpu", cache("f00d"))) {
      List<HostTensor> hosts = experts();
      ExpertWeights experts = backend.uploadExperts("experts", hosts.subList(0, 3));
      backend.uploaded();
      assertEquals(0, backend.weightBytes());
      float[] kept = product(backend, experts.experts().get(2));
      experts = backend.replace(experts, 0, hosts.get(4));
      long bytes = backend.weightBytes();
      for (int i = 0; i < 10; i++) {
        experts = backend.replace(experts, 0, hosts.get(i % 2 == 0 ? 3 : 4));
      }
      assertEquals(bytes, backend.weightBytes());
      assertArrayEquals(
          product(backend, backend.upload(hosts.get(4))),
          product(backend, experts.experts().getFirst()));
      assertArrayEquals(kept, product(backend, experts.experts().get(2)));
    }
  }

  @Test
  void severalStartsAtOnceLeaveOneWholeFile() throws Exception {
    List<HostTensor> weights = weights(1);
    List<Start> starts = Collections.synchronizedList(new ArrayList<>());
    List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch go = new CountDownLatch(1);
    List<Thread> threads =
        IntStream.range(0, 4)
            .mapToObj(
                _ ->
                    Thread.ofPlatform()
                        .start(
                            () -> {
                              try {
                                go.await();
                                starts.add(start("cpu", cache("f00d"), weights));
                              } catch (Throwable e) {
                                failures.add(e);
                              }
                            }))
            .toList();
    go.countDown();
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(List.of(), failures);
    assertEquals(1, files().size(), () -> "unfinished files are left");
    Start mapped = start("cpu", cache("f00d"), weights);
    assertEquals(0, mapped.bytes());
    starts.forEach(start -> assertSame(mapped, start));
  }

  @Test
  void whatIsThereIsToldWithoutAStart() throws IOException {
    CpuProvider provider = new CpuProvider();
    RepackCache.State none = provider.repacked(cache("f00d"), Optional.empty()).orElseThrow();
    assertTrue(none.bytes().isEmpty() && none.unfit().isEmpty() && none.room().isPresent());
    start("cpu", cache("f00d"), weights(1));
    RepackCache.State there = provider.repacked(cache("f00d"), Optional.empty()).orElseThrow();
    assertEquals(files().getFirst(), there.file());
    assertEquals(Files.size(there.file()), there.bytes().orElseThrow());
    Files.write(there.file(), new byte[100]);
    assertEquals(
        "start: expected \"YUZUI RP\", found something else",
        provider
            .repacked(cache("f00d"), Optional.empty())
            .flatMap(RepackCache.State::unfit)
            .orElseThrow());
  }
}
