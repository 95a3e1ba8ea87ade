package dev.yuzui.cache;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What sequences keep of their last tokens and pages do not say: rings. A prefix can be adopted
 * only where they are known, so a copy of them is kept in host memory for some of the prefixes that
 * pages are published of. Not thread-safe.
 */
final class Rings {
  /** Copies of each sequence that can be open: the latest ones stay. */
  private static final int COPIES = 4;

  /** Tokens between the copies that stay while a sequence goes on. */
  private static final int SPACING = 2048;

  private final KvCacheStore store;
  private final int drafts;
  private final Map<PageKey, Copy> known = new LinkedHashMap<>(16, 0.75f, true);

  /** The rings of a sequence as they were, of all streams one behind the other. */
  record Copy(byte[] bytes) {}

  Rings(KvCacheStore store, int drafts) {
    this.store = store;
    this.drafts = drafts;
  }

  /** Whether sequences have any. */
  boolean present() {
    return store.streams().stream().anyMatch(s -> s.ring().isPresent());
  }

  /** How many entries at the end of a sequence may be taken back without losing what it needs. */
  int drafts() {
    return drafts;
  }

  /** Whether a copy made at such a length stays when the sequence goes on. */
  static boolean stays(int length) {
    return length % SPACING == 0;
  }

  /** Whether a sequence can begin with the prefix. */
  boolean known(PageKey prefix) {
    return !present() || known.containsKey(prefix);
  }

  void publish(PageKey prefix, Copy copy) {
    known.putIfAbsent(prefix, copy);
    int most = COPIES * store.maxSequences();
    while (known.size() > most) {
      var eldest = known.entrySet().iterator();
      eldest.next();
      eldest.remove();
    }
  }

  void forget() {
    known.clear();
  }

  Copy copy(int slot) {
    List<byte[]> parts = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      for (KvCacheStore.Stream stream : ringed()) {
        MemorySegment memory = arena.allocate(stream.ringOf(slot).byteSize(), 64);
        store.read(stream.layer(), stream.ringOf(slot), memory);
        parts.add(memory.toArray(ValueLayout.JAVA_BYTE));
      }
    }
    byte[] all = new byte[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (byte[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return new Copy(all);
  }

  void restore(PageKey prefix, int slot) {
    restore(known.get(prefix), slot);
  }

  void restore(Copy copy, int slot) {
    long at = 0;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_BYTE, copy.bytes());
      for (KvCacheStore.Stream stream : ringed()) {
        long bytes = stream.ringOf(slot).byteSize();
        store.write(stream.layer(), stream.ringOf(slot), all.asSlice(at, bytes));
        at += bytes;
      }
    }
  }

  private List<KvCacheStore.Stream> ringed() {
    return store.streams().stream().filter(s -> s.ring().isPresent()).toList();
  }
}
