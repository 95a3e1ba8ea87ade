package dev.yuzui.ptx.machine;

/**
 * Something that comes out right here by luck.
 *
 * @param instruction its text
 * @param detail which thread, which byte, against whom
 */
public record Hazard(Kind kind, String kernel, String instruction, String detail) {

  public enum Kind {
    /** Two threads of a block, one of which writes, and no barrier between. */
    RACE_IN_BLOCK,
    /** The same between lanes of a warp, with no {@code bar.warp.sync} between. */
    RACE_IN_WARP,
    /** The same between blocks, with no fence, atomic and fence that order them. */
    RACE_BETWEEN_BLOCKS,
    /** An access to what a {@code cp.async} may still be writing. */
    COPY_IN_FLIGHT,
    /** A write to what a {@code wgmma} may still be reading. */
    PRODUCT_IN_FLIGHT,
    /** A {@code wgmma} of what was written with no {@code fence.proxy.async} since. */
    NOT_SHOWN,
    /** A register that a {@code wgmma} may still be using, or has no {@code wgmma.fence} before. */
    REGISTER_OF_PRODUCT,
    /** Global memory that is only written by this kernel, and was not yet. */
    UNWRITTEN,
    /** What a kernel before this one wrote, read before {@code griddepcontrol.wait}. */
    READ_BEFORE_WAIT,
    /** A write before {@code griddepcontrol.wait}: a kernel before this one may still read. */
    WRITE_BEFORE_WAIT,
    /**
     * A thread that ends without {@code griddepcontrol.wait}: those after it do not wait for all.
     */
    END_BEFORE_WAIT,
    /** {@code ld.global.nc} of memory that is written while this kernel lives. */
    NOT_READ_ONLY
  }

  @Override
  public String toString() {
    return kind + " in " + kernel + ": " + instruction + " (" + detail + ")";
  }
}
