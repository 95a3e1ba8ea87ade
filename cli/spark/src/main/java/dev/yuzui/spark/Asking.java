package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import java.io.Serializable;

/** How an engine is given a request; tests have one that ends the process. */
@FunctionalInterface
interface Asking extends Serializable {
  Asking OF_ENGINE = Engine::generate;

  Generation ask(Engine engine, GenerateRequest request);
}
