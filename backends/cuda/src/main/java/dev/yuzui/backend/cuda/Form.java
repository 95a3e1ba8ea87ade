package dev.yuzui.backend.cuda;

import java.util.List;
import java.util.stream.Stream;

/**
 * How a device is used, of what can be done without.
 *
 * @param early whether kernels begin while the one before ends
 * @param wgmma whether products of many rows are {@link Wgmma}'s
 */
record Form(boolean early, boolean wgmma) {

  /**
   * Those that suit {@code device}, the best first.
   *
   * @param early whether they may begin early
   */
  static List<Form> of(CudaDevice device, boolean early) {
    boolean wgmma = Wgmma.suits(device);
    return Stream.of(
            new Form(true, true),
            new Form(true, false),
            new Form(false, true),
            new Form(false, false))
        .filter(f -> early || !f.early())
        .filter(f -> wgmma || !f.wgmma())
        .toList();
  }

  @Override
  public String toString() {
    return (early ? "kernels begin early" : "kernels begin in turn")
        + (wgmma ? ", products by wgmma" : "");
  }
}
