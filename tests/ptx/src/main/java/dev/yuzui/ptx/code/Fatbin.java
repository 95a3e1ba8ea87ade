package dev.yuzui.ptx.code;

import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What nvcc's {@code -fatbin} writes: a header, then images one after another, each behind a header
 * of its own. NVIDIA does not publish the layout; the fields below are those that its tools agree
 * about, and a file that has others is refused.
 */
public record Fatbin(List<Image> images) {
  private static final int MAGIC = 0xBA55ED50;
  private static final int ZSTD = 0xFD2FB528;

  /** Machine code for one architecture, or text for it and all later ones. */
  public enum Kind {
    PTX,
    CUBIN
  }

  /**
   * @param capability of the devices it is for, 90 for sm_90
   */
  public record Image(Kind kind, int capability, byte[] bytes) {}

  public Fatbin {
    images = List.copyOf(images);
  }

  /**
   * @throws IllegalArgumentException if {@code file} is no fat binary, or one of another version
   */
  public static Fatbin read(byte[] file) {
    ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    require(file.length >= 16 && in.getInt(0) == MAGIC, "no fat binary");
    int at = in.getShort(6);
    long end = at + in.getLong(8);
    require(end <= file.length, "cut off");
    List<Image> images = new ArrayList<>();
    while (at < end) {
      int header = in.getInt(at + 4);
      int size = Math.toIntExact(in.getLong(at + 8));
      images.add(
          new Image(
              kind(in.getShort(at)),
              in.getInt(at + 28),
              payload(
                  file,
                  at + header,
                  size,
                  in.getInt(at + 16),
                  Math.toIntExact(in.getLong(at + 56)))));
      at += header + size;
    }
    return new Fatbin(images);
  }

  private static Kind kind(short number) {
    return switch (number) {
      case 1 -> Kind.PTX;
      case 2 -> Kind.CUBIN;
      default -> throw new IllegalArgumentException("fat binary: an image of kind " + number);
    };
  }

  /**
   * @param packed bytes of it that are compressed data, the rest is padding; 0 if it is as it is
   */
  private static byte[] payload(byte[] file, int from, int size, int packed, int unpacked) {
    if (packed == 0) {
      return Arrays.copyOfRange(file, from, from + size);
    }
    int magic = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(from);
    require(magic == ZSTD, "an image that is compressed by something other than zstd");
    byte[] bytes = new byte[unpacked];
    int written = new ZstdJavaDecompressor().decompress(file, from, packed, bytes, 0, bytes.length);
    require(written == unpacked, "an image that is shorter than its header says");
    return bytes;
  }

  /** The machine code for {@code capability}, an ELF file. */
  public byte[] cubin(int capability) {
    return image(Kind.CUBIN, capability);
  }

  private byte[] image(Kind kind, int capability) {
    return images.stream()
        .filter(i -> i.kind() == kind && i.capability() == capability)
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("no " + kind + " for sm_" + capability + " in it"))
        .bytes();
  }

  private static void require(boolean condition, String what) {
    if (!condition) {
      throw new IllegalArgumentException("fat binary: " + what);
    }
  }
}
