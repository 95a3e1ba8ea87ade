package dev.yuzui.backend.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What Java has no call for: memory in huge pages, pages of a mapping given back, threads kept on a
 * core. The C library of Linux has; elsewhere memory is of ordinary pages, and the rest does
 * nothing.
 */
interface SystemCalls {
  static SystemCalls find() {
    return CpuProvider.platform().startsWith("linux") ? new Linux() : new Elsewhere();
  }

  /**
   * Address of zeroed memory; 0 where there cannot be so much. Pages cost nothing until they are
   * touched.
   */
  long reserve(long bytes);

  void release(long address, long bytes);

  /** Pages of a file's mapping leave this process; they come back when they are read. */
  void forget(MemorySegment mapped);

  /** What is yet to be read from the disk for a file's mapping may come in huge pages. */
  void hugePages(MemorySegment mapped);

  /** Pages of a file's mapping come to this process, from the disk if need be. */
  void fetch(MemorySegment mapped);

  /** Keeps the calling thread on one processor; false if it cannot. */
  boolean pin(int cpu);

  /** Numbers are those of the kernel's interface, the same for all its processors. */
  final class Linux implements SystemCalls {
    private static final long HUGE_PAGE = 2L << 20;
    private static final int READ_WRITE = 1 | 2;
    private static final int PRIVATE_ANONYMOUS = 0x02 | 0x20;
    private static final int DONTNEED = 4;
    private static final int HUGEPAGE = 14;
    private static final int POPULATE_READ = 22;
    private static final int PAGE_SIZE = 30;

    /** Of a set of processors. */
    private static final int SET_BYTES = 128;

    private final MethodHandle mmap =
        bind("mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private final MethodHandle munmap = bind("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
    private final MethodHandle madvise = bind("madvise", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    private final MethodHandle sysconf = bind("sysconf", JAVA_LONG, JAVA_INT);
    private final MethodHandle affinity =
        bind("sched_setaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ValueLayout.ADDRESS);

    @SuppressWarnings("restricted")
    private static MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(
          linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(result, arguments));
    }

    @Override
    public long reserve(long bytes) {
      try {
        // one huge page more, so that the first can begin on its boundary
        long size = whole(bytes) + HUGE_PAGE;
        long at = (long) mmap.invokeExact(0L, size, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
        if (at == -1) {
          return 0;
        }
        long from = (at + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        if (from > at) {
          unmap(at, from - at);
        }
        if (from < at + HUGE_PAGE) {
          unmap(from + whole(bytes), at + HUGE_PAGE - from);
        }
        // the last of it takes no more than it needs
        int _ = (int) madvise.invokeExact(from, bytes / HUGE_PAGE * HUGE_PAGE, HUGEPAGE);
        return from;
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }

    @Override
    public void release(long address, long bytes) {
      unmap(address, whole(bytes));
    }

    private void unmap(long address, long bytes) {
      try {
        int _ = (int) munmap.invokeExact(address, bytes);
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }

    private static long whole(long bytes) {
      return Math.ceilDiv(bytes, HUGE_PAGE) * HUGE_PAGE;
    }

    @Override
    public void forget(MemorySegment mapped) {
      advise(mapped, DONTNEED);
    }

    @Override
    public void hugePages(MemorySegment mapped) {
      advise(mapped, HUGEPAGE);
    }

    /** A kernel before 5.14 reads as the pages are touched. */
    @Override
    public void fetch(MemorySegment mapped) {
      advise(mapped, POPULATE_READ);
    }

    /** Of whole pages. */
    private void advise(MemorySegment mapped, int advice) {
      try {
        long page = (long) sysconf.invokeExact(PAGE_SIZE);
        long from = Math.ceilDiv(mapped.address(), page) * page;
        long to = (mapped.address() + mapped.byteSize()) / page * page;
        if (from < to) {
          int _ = (int) madvise.invokeExact(from, to - from, advice);
        }
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }

    @Override
    public boolean pin(int cpu) {
      if (cpu < 0 || cpu >= 8 * SET_BYTES) {
        return false;
      }
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment one = arena.allocate(SET_BYTES);
        one.set(ValueLayout.JAVA_BYTE, cpu / 8, (byte) (1 << cpu % 8));
        return (int) affinity.invokeExact(0, (long) SET_BYTES, one) == 0;
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }
  }

  /** Memory from the C library's heap. */
  final class Elsewhere implements SystemCalls {
    private final MethodHandle calloc = Linux.bind("calloc", JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private final MethodHandle free = free();

    @SuppressWarnings("restricted")
    private static MethodHandle free() {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(
          linker.defaultLookup().findOrThrow("free"), FunctionDescriptor.ofVoid(JAVA_LONG));
    }

    @Override
    public long reserve(long bytes) {
      try {
        return (long) calloc.invokeExact(1L, bytes);
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }

    @Override
    public void release(long address, long bytes) {
      try {
        free.invokeExact(address);
      } catch (Throwable t) {
        throw Opaque.rethrow(t);
      }
    }

    @Override
    public void forget(MemorySegment mapped) {}

    @Override
    public void hugePages(MemorySegment mapped) {}

    @Override
    public void fetch(MemorySegment mapped) {}

    @Override
    public boolean pin(int cpu) {
      return false;
    }
  }
}
