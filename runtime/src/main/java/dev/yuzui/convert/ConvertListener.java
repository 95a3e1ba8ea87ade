package dev.yuzui.convert;

/** Told how far a conversion is. */
public interface ConvertListener {
  /** Something that people should know, a line. */
  void remark(String line);

  /**
   * @param done weights written, those of an earlier, cut run included
   * @param before weights that were there from it
   */
  void progress(long done, long before, long total);
}
