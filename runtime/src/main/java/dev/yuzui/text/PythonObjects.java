package dev.yuzui.text;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.MacroFunction;
import com.hubspot.jinjava.objects.collections.PyList;
import com.hubspot.jinjava.util.ForLoop;
import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;

/**
 * The attributes and methods a chat template may use on strings, lists, maps and {@code loop}, with
 * Python's meaning. There is no way from a template to a Java method or class: what is not listed
 * here is an error.
 */
final class PythonObjects extends ELResolver {
  /** What {@code [::-1]} is rewritten to. */
  static final String REVERSED = "reversed__";

  private static final ELResolver JINJAVA = JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY;

  @Override
  public Object getValue(ELContext context, Object base, Object property) {
    context.setPropertyResolved(true);
    return switch (base) {
      case Map<?, ?> map -> {
        Object value = map.get(String.valueOf(property));
        yield value != null || map.containsKey(property) ? value : PythonValue.UNDEFINED;
      }
      case List<?> list when index(property) -> element(list, Integer.parseInt("" + property));
      case String text when index(property) -> character(text, Integer.parseInt("" + property));
      case ForLoop loop -> loop(loop, String.valueOf(property));
      case List<?> _, String _, Number _, Boolean _ -> PythonValue.UNDEFINED;
      case ExpTest _, Filter _, MacroFunction _ -> null; // asked before each is called
      case PythonValue nothing ->
          throw new TextException(
              (nothing == PythonValue.NONE ? "None" : "a value that is not defined")
                  + " has no \""
                  + property
                  + "\"");
      default -> throw new TextException("a template may not use " + property + " here");
    };
  }

  /** jinjava gives {@code list[-1]} as the text "-1". */
  private static boolean index(Object property) {
    return String.valueOf(property).matches("-?[0-9]{1,9}");
  }

  private static Object element(List<?> list, int at) {
    int i = at < 0 ? at + list.size() : at;
    return i >= 0 && i < list.size() ? list.get(i) : PythonValue.UNDEFINED;
  }

  private static Object character(String text, int at) {
    int i = at < 0 ? at + text.length() : at;
    return i >= 0 && i < text.length() ? text.substring(i, i + 1) : PythonValue.UNDEFINED;
  }

  private static Object loop(ForLoop loop, String name) {
    return switch (name) {
      case "index" -> (long) loop.getIndex();
      case "index0" -> (long) loop.getIndex0();
      case "first" -> loop.isFirst();
      case "last" -> loop.isLast();
      case "length" -> (long) loop.getLength();
      case "revindex" -> (long) loop.getRevindex();
      case "revindex0" -> (long) loop.getRevindex0();
      default -> PythonValue.UNDEFINED;
    };
  }

  @Override
  public Object invoke(
      ELContext context, Object base, Object method, Class<?>[] types, Object[] given) {
    context.setPropertyResolved(true);
    Object[] args = given == null ? new Object[0] : given;
    String name = String.valueOf(method);
    return switch (base) {
      case String text -> text(text, name, args);
      case Map<?, ?> map -> map(map, name, args);
      case List<?> list -> list(list, name, args);
      case PythonValue nothing -> getValue(context, nothing, name);
      // jinjava's own way to its tests, filters and macros; templates cannot hold one
      case ExpTest test -> JINJAVA.invoke(context, test, method, types, args);
      case Filter filter -> JINJAVA.invoke(context, filter, method, types, args);
      case MacroFunction macro -> JINJAVA.invoke(context, macro, method, types, args);
      case null, default -> throw unknown(name, "this");
    };
  }

  private static Object text(String text, String name, Object[] args) {
    return switch (name) {
      case "strip" -> strip(text, args, true, true);
      case "lstrip" -> strip(text, args, true, false);
      case "rstrip" -> strip(text, args, false, true);
      case "split" -> split(text, args);
      case "rsplit" -> rsplit(text, args);
      case "splitlines" -> new PyList(new ArrayList<>(text.lines().toList()));
      case "startswith" -> text.startsWith(string(args, 0));
      case "endswith" -> text.endsWith(string(args, 0));
      case "replace" -> text.replace(string(args, 0), string(args, 1));
      case "find" -> (long) text.indexOf(string(args, 0));
      case "count" -> (long) (split(text, new Object[] {string(args, 0)}).size() - 1);
      case REVERSED -> new StringBuilder(text).reverse().toString();
      case "upper" -> text.toUpperCase(Locale.ROOT);
      case "lower" -> text.toLowerCase(Locale.ROOT);
      case "title", "capitalize" ->
          text.isEmpty()
              ? text
              : text.substring(0, 1).toUpperCase(Locale.ROOT)
                  + text.substring(1).toLowerCase(Locale.ROOT);
      case "join" ->
          String.join(text, ((List<?>) args[0]).stream().map(String.class::cast).toList());
      default -> throw unknown(name, "a string");
    };
  }

  private static Object map(Map<?, ?> map, String name, Object[] args) {
    return switch (name) {
      case "get" -> {
        Object value = map.get(string(args, 0));
        yield value != null ? value : args.length > 1 ? args[1] : PythonValue.NONE;
      }
      case "items" -> {
        List<Object> items = new ArrayList<>();
        map.forEach((k, v) -> items.add(new PyList(new ArrayList<>(Arrays.asList(k, v)))));
        yield new PyList(items);
      }
      case "keys" -> new PyList(new ArrayList<>(map.keySet()));
      case "values" -> new PyList(new ArrayList<>(map.values()));
      default -> throw unknown(name, "a mapping");
    };
  }

  private static Object list(List<?> list, String name, Object[] args) {
    @SuppressWarnings("unchecked") // templates make lists of anything
    List<Object> any = (List<Object>) list;
    return switch (name) {
      case "append" -> {
        any.add(args[0]);
        yield PythonValue.NONE;
      }
      case "pop" -> {
        int at = args.length == 0 ? -1 : ((Number) args[0]).intValue();
        if (any.isEmpty()) {
          throw new TextException("pop from an empty list");
        }
        yield any.remove(at < 0 ? at + any.size() : at);
      }
      case REVERSED -> new PyList(new ArrayList<>(any.reversed()));
      case "index" -> (long) any.indexOf(args[0]);
      case "count" -> any.stream().filter(x -> Objects.equals(x, args[0])).count();
      default -> throw unknown(name, "a list");
    };
  }

  private static String strip(String text, Object[] args, boolean left, boolean right) {
    String set = args.length > 0 && !PythonValue.isNone(args[0]) ? string(args, 0) : null;
    int from = 0;
    int to = text.length();
    while (left && from < to && stripped(text.charAt(from), set)) {
      from++;
    }
    while (right && from < to && stripped(text.charAt(to - 1), set)) {
      to--;
    }
    return text.substring(from, to);
  }

  private static boolean stripped(char c, String set) {
    return set == null
        ? Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85
        : set.indexOf(c) >= 0;
  }

  private static List<Object> split(String text, Object[] args) {
    List<Object> parts = new ArrayList<>();
    if (args.length == 0 || PythonValue.isNone(args[0])) {
      Collections.addAll(parts, (Object[]) strip(text, args, true, true).split("\\s+"));
      parts.remove("");
      return new PyList(parts);
    }
    String separator = separator(args);
    long limit = args.length > 1 ? ((Number) args[1]).longValue() : -1;
    int from = 0;
    for (int at = text.indexOf(separator);
        at >= 0 && (limit < 0 || parts.size() < limit);
        at = text.indexOf(separator, from)) {
      parts.add(text.substring(from, at));
      from = at + separator.length();
    }
    parts.add(text.substring(from));
    return new PyList(parts);
  }

  private static List<Object> rsplit(String text, Object[] args) {
    String separator = separator(args);
    long limit = args.length > 1 ? ((Number) args[1]).longValue() : -1;
    List<Object> parts = new ArrayList<>();
    int to = text.length();
    for (int at = text.lastIndexOf(separator);
        at >= 0 && (limit < 0 || parts.size() < limit);
        at = text.lastIndexOf(separator, at - separator.length())) {
      parts.addFirst(text.substring(at + separator.length(), to));
      to = at;
    }
    parts.addFirst(text.substring(0, to));
    return new PyList(parts);
  }

  private static String separator(Object[] args) {
    String separator = string(args, 0);
    if (separator.isEmpty()) {
      throw new TextException("split: the separator is empty");
    }
    return separator;
  }

  private static String string(Object[] args, int i) {
    if (i < args.length && args[i] instanceof String text) {
      return text;
    }
    throw new TextException("argument " + (i + 1) + " of a method: expected a string");
  }

  private static TextException unknown(String method, String of) {
    return new TextException("no method " + method + "() of " + of);
  }

  @Override
  public Class<?> getType(ELContext context, Object base, Object property) {
    return Object.class;
  }

  @Override
  public void setValue(ELContext context, Object base, Object property, Object value) {
    throw new TextException("a template may not assign to " + property + " here");
  }

  @Override
  public boolean isReadOnly(ELContext context, Object base, Object property) {
    return true;
  }

  @Override
  public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, Object base) {
    return Collections.emptyIterator();
  }

  @Override
  public Class<?> getCommonPropertyType(ELContext context, Object base) {
    return Object.class;
  }
}
