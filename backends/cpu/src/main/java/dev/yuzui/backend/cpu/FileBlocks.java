package dev.yuzui.backend.cpu;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/**
 * Gathers what is written to a file into blocks of 8 MiB, at multiples of it: so the system keeps
 * what it can in huge pages.
 */
final class FileBlocks {
  private static final int BLOCK = 8 << 20;

  private final FileChannel channel;
  private final MemorySegment block;
  private int used;

  FileBlocks(FileChannel channel, Arena arena) {
    this.channel = channel;
    this.block = arena.allocate(BLOCK, 4096);
  }

  void put(MemorySegment bytes) throws IOException {
    long count;
    for (long at = 0; at < bytes.byteSize(); at += count) {
      count = Math.min(BLOCK - used, bytes.byteSize() - at);
      MemorySegment.copy(bytes, at, block, used, count);
      used += (int) count;
      if (used == BLOCK) {
        flush();
      }
    }
  }

  /** With zeros. */
  void padTo(long at) throws IOException {
    put(MemorySegment.ofArray(new byte[Math.toIntExact(at - channel.position() - used)]));
  }

  void flush() throws IOException {
    ByteBuffer bytes = block.asSlice(0, used).asByteBuffer();
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
    used = 0;
  }
}
