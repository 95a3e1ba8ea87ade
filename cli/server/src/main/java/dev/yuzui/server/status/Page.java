package dev.yuzui.server.status;

import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.Route;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The page to chat in: files that are known beforehand, read from the jars once. */
public final class Page {
  private static final String OURS = "/dev/yuzui/server/page/";

  /** Path of the server → what is there. */
  private static final Map<String, String> FILES =
      Map.of("/", OURS + "index.html", "/index.html", OURS + "index.html");

  private Page() {}

  /** A route for each file that is there. */
  public static List<Route> routes() {
    List<Route> routes = new ArrayList<>();
    FILES.forEach(
        (path, resource) ->
            read(resource)
                .ifPresent(
                    bytes ->
                        routes.add(
                            Route.get(
                                    path,
                                    ErrorForm.OPENAI,
                                    call -> call.send(200, type(resource), bytes))
                                .opened())));
    return routes;
  }

  private static Optional<byte[]> read(String resource) {
    try (InputStream in = Page.class.getResourceAsStream(resource)) {
      return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String type(String name) {
    return switch (name.substring(name.lastIndexOf('.') + 1)) {
      case "html" -> "text/html; charset=utf-8";
      case "css" -> "text/css; charset=utf-8";
      case "js" -> "text/javascript; charset=utf-8";
      case "svg" -> "image/svg+xml";
      default -> "application/octet-stream";
    };
  }
}
