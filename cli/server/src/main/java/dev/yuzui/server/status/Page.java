package dev.yuzui.server.status;

import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.Route;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** The page to chat in: files that are known beforehand, read from the jars once. */
public final class Page {
  private static final String OURS = "/dev/yuzui/server/page/";

  private static final List<String> FILES =
      List.of(
          "style.css",
          "theme.js",
          "app.js",
          "answer.js",
          "api.js",
          "conversations.js",
          "dialogs.js",
          "dom.js",
          "markdown.js",
          "message.js",
          "settings.js",
          "shelf.js",
          "store.js",
          "tree.js",
          "watch.js");

  private Page() {}

  /** A route for each of its files. */
  public static List<Route> routes() {
    return resources().entrySet().stream().map(e -> route(e.getKey(), e.getValue())).toList();
  }

  /** Path of the server → what is there. */
  static Map<String, String> resources() {
    Map<String, String> resources = new LinkedHashMap<>();
    resources.put("/", OURS + "index.html");
    resources.put("/index.html", OURS + "index.html");
    FILES.forEach(name -> resources.put("/page/" + name, OURS + name));
    resources.put("/page/marked.js", webJar("marked", "lib/marked.esm.js"));
    resources.put("/page/purify.js", webJar("dompurify", "dist/purify.es.mjs"));
    return resources;
  }

  /** A file of a WebJar, whose folders are named by its version. */
  private static String webJar(String name, String file) {
    Properties of = new Properties();
    try (InputStream in = open("/META-INF/maven/org.webjars.npm/" + name + "/pom.properties")) {
      of.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return "/META-INF/resources/webjars/" + name + "/" + of.getProperty("version") + "/" + file;
  }

  private static Route route(String path, String resource) {
    byte[] bytes = read(resource);
    String type = type(resource);
    return Route.get(path, ErrorForm.OPENAI, call -> call.send(200, type, bytes)).opened();
  }

  private static byte[] read(String resource) {
    try (InputStream in = open(resource)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static InputStream open(String resource) {
    InputStream in = Page.class.getResourceAsStream(resource);
    if (in == null) {
      throw new IllegalStateException("this build has no " + resource + " for its page");
    }
    return in;
  }

  private static String type(String name) {
    return switch (name.substring(name.lastIndexOf('.') + 1)) {
      case "html" -> "text/html; charset=utf-8";
      case "css" -> "text/css; charset=utf-8";
      default -> "text/javascript; charset=utf-8";
    };
  }
}
