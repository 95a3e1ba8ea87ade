package dev.yuzui.engine;

import dev.yuzui.cache.KvCaches;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.step.ModelRunner;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A model that several threads use in turn, until the engine is closed: requests through their
 * loop, sessions and measurements on the caller's thread.
 */
final class SharedModel {
  private final LoadedModel model;
  private final Closing closing;

  /** Held while the runner or the cache is used: fair, for the loop asks for it without end. */
  private final ReentrantLock device = new ReentrantLock(true);

  private final Hold hold = device::unlock; // of whoever holds it: no step makes one

  SharedModel(LoadedModel model, Closing closing) {
    this.model = model;
    this.closing = closing;
  }

  /** To be closed by whoever holds the device. */
  interface Hold extends AutoCloseable {
    @Override
    void close();
  }

  LoadedModel model() {
    return model;
  }

  Closing closing() {
    return closing;
  }

  ReentrantLock device() {
    return device;
  }

  /** To be used by whoever holds the device. */
  ModelRunner runner() {
    return model.runner();
  }

  /** To be used by whoever holds the device. */
  KvCaches cache() {
    return model.cache();
  }

  /**
   * Until it is closed, no other thread uses the runner or the cache, and both are there.
   *
   * @throws EngineException once the engine is closed
   */
  Hold hold() {
    device.lock();
    try {
      closing.requireOpen();
      return hold;
    } catch (EngineException e) {
      device.unlock();
      throw e;
    }
  }

  /** Does it while nobody else uses the cache; nothing, once the engine is closed. */
  void giveBack(Runnable what) {
    device.lock();
    try {
      if (closing.isOpen()) {
        what.run();
      }
    } finally {
      device.unlock();
    }
  }

  /**
   * @throws EngineException if so many tokens do not fit the context, or the engine is closed
   */
  void requireRoom(int held, int more) {
    closing.requireOpen();
    if (held + more > model.contextLength()) {
      throw new EngineException(noRoom("the prompt does not fit", held + more));
    }
  }

  /** Room for a prompt and a token behind it. */
  void requireRoomForAnswer(int prompt) {
    requireRoom(0, prompt);
    if (prompt == model.contextLength()) {
      throw new EngineException(noRoom("the prompt leaves no room for a text", prompt));
    }
  }

  private String noRoom(String what, int tokens) {
    return what
        + ": "
        + tokens
        + " tokens, and the context holds "
        + model.contextLength()
        + "; shorten it or raise RuntimeOptions.contextLength (this model: up to "
        + model.config().contextLength()
        + ")";
  }
}
