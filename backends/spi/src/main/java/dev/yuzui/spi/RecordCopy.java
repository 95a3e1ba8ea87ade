package dev.yuzui.spi;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;

/**
 * Copies of records that differ in one component: what every {@code with…} of an options record is
 * made of, however many components it has. The record's constructor checks the copy as it checked
 * the first.
 */
public final class RecordCopy {
  private RecordCopy() {}

  /**
   * @param component its name; a record has no other way to be asked for one
   * @throws IllegalArgumentException if the record has no such component, and whatever its
   *     constructor throws
   */
  public static <R extends Record> R with(R record, String component, Object value) {
    @SuppressWarnings("unchecked")
    Class<R> type = (Class<R>) record.getClass();
    RecordComponent[] components = type.getRecordComponents();
    Object[] values = new Object[components.length];
    boolean found = false;
    try {
      for (int i = 0; i < components.length; i++) {
        boolean changed = components[i].getName().equals(component);
        values[i] = changed ? value : open(components[i].getAccessor()).invoke(record);
        found |= changed;
      }
      if (!found) {
        throw new IllegalArgumentException(
            "%s has no component %s".formatted(type.getSimpleName(), component));
      }
      Class<?>[] types =
          Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
      return open(type.getDeclaredConstructor(types)).newInstance(values);
    } catch (InvocationTargetException e) {
      switch (e.getCause()) {
        case RuntimeException unchecked -> throw unchecked;
        case Error error -> throw error;
        default -> throw new IllegalStateException(e.getCause());
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(type.getName(), e);
    }
  }

  /** A record need not be public to be copied. */
  private static <A extends AccessibleObject> A open(A member) {
    member.setAccessible(true);
    return member;
  }
}
