package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class PagePoolTest {
  private static final PageKey KEY = PageKey.ROOT.next(new int[] {1, 2}, 0, 2);

  private final PagePool pool = new PagePool(2);

  @Test
  void whenAllAreHeldThereIsNone() {
    pool.allocate();
    pool.allocate();
    String message = assertThrows(CacheFullException.class, pool::allocate).getMessage();
    assertEquals("all 2 pages of the KV cache are in use", message);
  }

  @Test
  void aPageNobodyHoldsIsNeitherReleasedNorShared() {
    int page = pool.allocate();
    pool.release(page);
    assertThrows(IllegalStateException.class, () -> pool.release(page));
    assertThrows(IllegalStateException.class, () -> pool.retain(page));
    assertEquals(2, pool.freePages());
  }

  @Test
  void aPublishedPageCanBeHadBackUntilItIsWithdrawn() {
    int page = pool.allocate();
    pool.publish(KEY, page);
    pool.release(page);
    assertEquals(OptionalInt.of(page), pool.find(KEY));
    assertEquals(1, pool.idlePages());
    pool.retain(page);
    assertEquals(0, pool.idlePages());
    pool.release(page);
    pool.withdraw(page);
    pool.withdraw(page); // which is a no-op
    assertTrue(pool.find(KEY).isEmpty());
    assertEquals(0, pool.idlePages());
    assertEquals(2, pool.freePages());
  }
}
