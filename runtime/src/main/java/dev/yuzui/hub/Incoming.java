package dev.yuzui.hub;

import dev.yuzui.hub.HubHttp.Range;
import dev.yuzui.hub.HubHttp.Reply;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** A file on its way from the hub into its {@link PartialFile}; any thread may bring a part. */
final class Incoming implements AutoCloseable {
  private static final int BUFFER = 1 << 18;
  private static final int WHOLE = 200;
  private static final int PART = 206;

  private final HubFile file;
  private final URI address;
  private final PartialFile partial;
  private final HubHttp http;
  private final Function<Reply, HubException> refusal;

  /**
   * @param refusal what an answer means that says the file may not be read
   */
  Incoming(
      HubFile file,
      URI address,
      PartialFile partial,
      HubHttp http,
      Function<Reply, HubException> refusal) {
    this.file = file;
    this.address = address;
    this.partial = partial;
    this.http = http;
    this.refusal = refusal;
  }

  HubFile file() {
    return file;
  }

  PartialFile partial() {
    return partial;
  }

  /** How far a part has come. */
  private static final class Part {
    private final long to;
    private long at;

    Part(Range range) {
      this.at = range.from();
      this.to = range.to();
    }

    Range left() {
      return new Range(at, to);
    }
  }

  private Range all() {
    return new Range(0, file.size());
  }

  /**
   * Brings the first of several parts, or the whole file where the server has nothing but that.
   *
   * @param partsWork called once the server has shown that it has parts
   * @return whether it has
   */
  boolean fetchFirst(Range range, Runnable partsWork, Patience.Attempts attempts) {
    Part part = new Part(range);
    boolean shown = false;
    while (part.at < part.to) {
      Range asked = part.left();
      try (Reply reply = ask(asked, attempts)) {
        if (!shown && isWhole(reply, asked)) {
          fetchWhole(attempts);
          return false;
        }
        require(reply, asked);
        if (!shown && !asked.equals(all())) {
          shown = true;
          partsWork.run();
        }
        copy(reply, part, attempts::progressed);
      } catch (IOException e) {
        failed(e, attempts);
      }
    }
    return true;
  }

  /** Brings one of several parts. */
  void fetch(Range range, Patience.Attempts attempts) {
    Part part = new Part(range);
    while (part.at < part.to) {
      try (Reply reply = ask(part.left(), attempts)) {
        require(reply, part.left());
        copy(reply, part, attempts::progressed);
      } catch (IOException e) {
        failed(e, attempts);
      }
    }
  }

  /** From the beginning each time: what comes again is no progress. */
  private void fetchWhole(Patience.Attempts attempts) {
    while (true) {
      try (Reply reply = ask(all(), attempts)) {
        require(reply, all());
        copy(reply, new Part(all()), attempts::repeated);
        return;
      } catch (IOException e) {
        failed(e, attempts);
      }
    }
  }

  private Reply ask(Range range, Patience.Attempts attempts) {
    return http.get(address, range.equals(all()) ? Optional.empty() : Optional.of(range), attempts);
  }

  private void failed(IOException e, Patience.Attempts attempts) {
    attempts.failed(file.path() + ": " + HubHttp.reason(e), Optional.empty());
  }

  /**
   * Whether all of the file comes where a part was asked for. ModelScope sends parts with status
   * 200; their length tells.
   */
  private boolean isWhole(Reply reply, Range asked) {
    return reply.status() == WHOLE
        && !asked.equals(all())
        && reply.range().isEmpty()
        && reply.length() != asked.length();
  }

  private void require(Reply reply, Range asked) throws IOException {
    int status = reply.status();
    if (status == 401 || status == 403) {
      throw refusal.apply(reply);
    }
    if (status == 404 || status == 410) {
      throw HubException.system(
          file.path()
              + ": expected what the hub's listing has, found status "
              + status
              + " at "
              + HubHttp.host(reply.address())
              + "; try again, or another endpoint");
    }
    if (status != WHOLE && status != PART) {
      throw new IOException("expected status 200 or 206, found " + status);
    }
    if (reply.range().filter(range -> !range.equals(asked)).isPresent()) {
      throw new IOException(
          "expected bytes " + shown(asked) + ", found " + shown(reply.range().get()));
    }
    boolean part = !asked.equals(all());
    if (part && (isWhole(reply, asked) || status == PART && reply.range().isEmpty())) {
      throw new IOException("expected bytes " + shown(asked) + ", found others");
    }
    if (reply.length() >= 0 && reply.length() != asked.length()) {
      throw new IOException("expected " + asked.length() + " bytes, found " + reply.length());
    }
  }

  private static String shown(Range range) {
    return range.from() + "-" + (range.to() - 1);
  }

  private void copy(Reply reply, Part part, Runnable cameSome) throws IOException {
    byte[] buffer = new byte[BUFFER];
    while (part.at < part.to) {
      int n = reply.body().read(buffer, 0, (int) Math.min(BUFFER, part.to - part.at));
      if (n < 0) {
        throw new IOException("the connection was cut");
      }
      partial.write(ByteBuffer.wrap(buffer, 0, n), part.at);
      part.at += n;
      cameSome.run();
    }
  }

  /** What is still to come, in parts; the first shows whether the server has parts at all. */
  List<Range> missing() {
    return partial.missing();
  }

  @Override
  public void close() {
    partial.close();
  }
}
