package dev.yuzui.ptx.machine;

import java.util.Optional;

/**
 * How lanes reach memory: which bytes an address means, whether they may be touched, and by whom.
 */
final class Access {

  enum Space {
    GLOBAL,
    SHARED,
    LOCAL
  }

  enum Kind {
    READ,
    /** By ld.global.nc. */
    READ_CONSTANT,
    WRITE,
    ATOMIC
  }

  private Access() {}

  /** Bytes and where in them. */
  record Place(byte[] bytes, int offset) {}

  static Place place(Warp w, int lane, Space space, Kind kind, long address, int bytes) {
    if ((address & bytes - 1) != 0) {
      throw w.fault(
          "lane %d: address 0x%x is no multiple of the %d bytes of the access"
              .formatted(lane, address, bytes));
    }
    return switch (space) {
      case SHARED -> shared(w, lane, kind, address, bytes);
      case LOCAL -> local(w, lane, address, bytes);
      case GLOBAL -> global(w, lane, kind, address, bytes);
    };
  }

  private static Place shared(Warp w, int lane, Kind kind, long address, int bytes) {
    Block block = w.block;
    int offset = sharedOffset(w, lane, address, bytes);
    block.sharedTrace.access(kind, offset, bytes, w, lane);
    return new Place(block.shared, offset);
  }

  static int sharedOffset(Warp w, int lane, long address, int bytes) {
    long offset = address - SharedLayout.SHARED;
    if (offset < 0 || offset + bytes > w.block.shared.length) {
      throw w.fault("lane %d: %d bytes at shared 0x%x, beyond it".formatted(lane, bytes, address));
    }
    return (int) offset;
  }

  private static Place local(Warp w, int lane, long address, int bytes) {
    int size = w.program.layout.localBytes();
    long offset = address - SharedLayout.LOCAL;
    if (offset < 0 || offset + bytes > size) {
      throw w.fault("lane %d: %d bytes at local 0x%x, beyond it".formatted(lane, bytes, address));
    }
    return new Place(w.block.local, (w.index * Warp.LANES + lane) * size + (int) offset);
  }

  private static Place global(Warp w, int lane, Kind kind, long address, int bytes) {
    Optional<GlobalBuffer> found = w.block.launch().memory().at(address);
    if (found.isEmpty()) {
      Optional<Place> table = w.program.layout.table(address, bytes);
      if (table.isPresent() && (kind == Kind.READ || kind == Kind.READ_CONSTANT)) {
        return table.get();
      }
      throw w.fault("lane %d: %d bytes at 0x%x, which is nobody's".formatted(lane, bytes, address));
    }
    GlobalBuffer buffer = found.get();
    long offset = address - buffer.address;
    if (offset < 0 || offset + bytes > buffer.bytes.length) {
      throw w.fault("lane %d: %d bytes at offset %d of %s".formatted(lane, bytes, offset, buffer));
    }
    boolean writes = kind == Kind.WRITE || kind == Kind.ATOMIC;
    if (writes && !buffer.writable()) {
      throw w.fault("lane %d: writes offset %d of %s".formatted(lane, offset, buffer));
    }
    if (kind == Kind.READ_CONSTANT
        && (buffer.writable() || w.block.launch().dependent() && buffer.fromPredecessor())) {
      w.hazard(Hazard.Kind.NOT_READ_ONLY, () -> "lane " + lane + ", " + buffer);
    }
    if ((w.waited >>> lane & 1) == 0) {
      early(w, lane, writes, buffer);
    }
    if (buffer.shadow.isPresent()) {
      buffer.shadow.get().access(kind, (int) offset, bytes, w.block.stamp(w, lane), w);
    }
    return new Place(buffer.bytes, (int) offset);
  }

  private static void early(Warp w, int lane, boolean writes, GlobalBuffer buffer) {
    if (writes) {
      w.hazard(Hazard.Kind.WRITE_BEFORE_WAIT, () -> "lane " + lane + ", " + buffer);
    } else if (buffer.fromPredecessor()) {
      w.hazard(Hazard.Kind.READ_BEFORE_WAIT, () -> "lane " + lane + ", " + buffer);
    }
  }
}
