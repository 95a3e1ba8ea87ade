package dev.yuzui.engine;

import dev.yuzui.cache.CacheFile;
import dev.yuzui.cache.CacheFileException;
import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.ModelKey;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.weights.DeepseekConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;

/**
 * A file that keeps the KV cache of one text from run to run. What it held is found by the requests
 * that begin with the same tokens, as any earlier prompt is; whole pages alone, so the tokens
 * behind the last full page are read again. The text is the same with and without the file but for
 * rounding, which differs between steps of different lengths.
 *
 * <p>The MTP layer's entries are kept where the engine drafts with it; over a text that was saved
 * without them it guesses worse, and nothing else changes.
 *
 * <p>While the file is read or written, requests wait, and one of {@link
 * RuntimeOptions#maxSequences} has to be free.
 */
public final class PromptCache {
  private final Engine engine;
  private final Path file;
  private final ModelKey key;
  private int[] held = {};

  private PromptCache(Engine engine, Path file) {
    this.engine = engine;
    this.file = file;
    key =
        new ModelKey(engine.config().name(), engine.checkpoint().fingerprint() + rounding(engine));
  }

  /** What is kept otherwise is another model's. */
  private static String rounding(Engine engine) {
    return engine.options().v4Qat() ? ", rounded" : "";
  }

  /**
   * Reads {@code file} where there is one; else {@link #save} makes it.
   *
   * @throws EngineException if the file is damaged, or of another model, cache encoding or version,
   *     or does not fit into the context, or too few pages or no sequence are free
   */
  public static PromptCache open(Engine engine, Path file) {
    engine.requireOpen();
    PromptCache cache = new PromptCache(engine, file);
    if (Files.exists(file)) {
      cache.load();
    }
    return cache;
  }

  private void load() {
    withSequence(
        sequence -> {
          held = CacheFile.load(file, key, sequence);
          sequence.publish(held);
          return held.length;
        });
    engine.options().log().accept(file + ": " + held.length + " tokens of a prompt cache read");
  }

  /**
   * Writes what the cache has of a request that is over, prompt and text, in place of what the file
   * held; nothing, if the file begins with it already or it fills no page.
   *
   * @return tokens written
   * @throws EngineException if it cannot be written, or no sequence is free; the file is as before
   */
  public int save(GenerateRequest request, GenerationResult result) {
    int[] tokens =
        IntStream.concat(
                request.prompt().stream().mapToInt(Integer::intValue),
                result.tokens().stream().mapToInt(Integer::intValue))
            .toArray();
    int written = withSequence(sequence -> write(sequence, tokens));
    if (written > 0) {
      engine.options().log().accept(file + ": " + written + " tokens of a prompt cache written");
    }
    return written;
  }

  private int write(Sequence sequence, int[] tokens) {
    int found = sequence.adopt(tokens);
    if (found <= held.length && Arrays.equals(tokens, 0, found, held, 0, found)) {
      return 0;
    }
    int[] read = Arrays.copyOf(tokens, found);
    DeepseekConfig config = engine.config();
    boolean mtp = engine.options().speculation().drafts() == Drafts.MTP;
    CacheFile.save(file, key, read, sequence, config.layers() + (mtp ? config.mtpLayers() : 0));
    held = read;
    return found;
  }

  private int withSequence(ToIntFunction<Sequence> action) {
    try (var _ = engine.shared().hold();
        Sequence sequence = engine.shared().cache().openSequence()) {
      return action.applyAsInt(sequence);
    } catch (CacheFileException e) {
      throw new EngineException(e.getMessage());
    } catch (CacheFullException e) {
      throw new EngineException(
          file
              + ": "
              + e.getMessage()
              + "; wait for requests to end, or raise KvCacheOptions.pages");
    } finally {
      engine.wake();
    }
  }
}
