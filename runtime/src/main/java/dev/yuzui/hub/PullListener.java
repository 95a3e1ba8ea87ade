package dev.yuzui.hub;

/** Told how a pull goes, one call at a time, on the caller's thread. */
public interface PullListener {
  PullListener NONE = new PullListener() {};

  /** Something that people should know, a line. */
  default void said(String line) {}

  /** Once, when it is known what the model is made of, before any of it is fetched. */
  default void chosen(Hub.Plan plan) {}

  /**
   * Some times a second while there is something to fetch.
   *
   * @param done bytes, with those that were there before
   * @param fetched bytes, those that came in this pull
   * @param total bytes of the files that were not in the cache
   */
  default void progressed(long done, long fetched, long total) {}
}
