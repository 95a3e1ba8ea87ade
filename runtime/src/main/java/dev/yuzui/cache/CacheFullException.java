package dev.yuzui.cache;

/** No free page, or no free sequence slot, is left. */
public class CacheFullException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CacheFullException(String message) {
    super(message);
  }
}
