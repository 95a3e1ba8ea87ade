package dev.yuzui.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.UUID;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What executors find a folder of {@link CrashNotes} with.
 *
 * @param transform no other has, of those that run in one task either
 */
record CrashFolder(
    String path, String application, String transform, SerializableConfiguration hadoop)
    implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(CrashFolder.class);
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /**
   * Of a driver, which from now on notes the executors that it loses.
   *
   * @throws IllegalArgumentException if there is no such file system
   */
  static CrashFolder of(SparkContext context, String path) {
    try {
      Path folder = new Path(path);
      FileSystem files = folder.getFileSystem(context.hadoopConfiguration());
      Path whole = files.makeQualified(folder); // executors have folders of their own to start from
      CrashNotes notes = new CrashNotes(files, whole, context.applicationId());
      if (Engines.ofThisJvm().watches(context.applicationId(), whole.toString())) {
        context.addSparkListener(new Listener(notes));
      }
      return new CrashFolder(
          whole.toString(),
          context.applicationId(),
          UUID.randomUUID().toString(),
          new SerializableConfiguration(context.hadoopConfiguration()));
    } catch (IOException | IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "YuzuiBatchConfig.crashFolder: expected a folder that Spark can reach, found %s: %s"
              .formatted(path, e.getMessage()),
          e);
    }
  }

  CrashNotes notes() {
    try {
      Path folder = new Path(path);
      return new CrashNotes(folder.getFileSystem(hadoop.value()), folder, application);
    } catch (IOException e) {
      throw new UncheckedIOException("the crash folder: " + path + ": " + e.getMessage(), e);
    }
  }

  UnderWay begin(TaskContext task) {
    return UnderWay.begin(
        notes(),
        work(task.stageId(), task.partitionId()),
        task.taskAttemptId(),
        SparkEnv.get().executorId(),
        PATIENCE);
  }

  /** The same for all attempts at it. */
  String work(int stage, int partition) {
    return stage + "-" + partition + "-" + transform;
  }

  /** Spark calls it from one thread. */
  private static final class Listener extends SparkListener {
    private final CrashNotes notes;
    private boolean ended;

    Listener(CrashNotes notes) {
      this.notes = notes;
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved event) {
      if (ended) {
        return; // all go when the application does
      }
      try {
        notes.gone(event.executorId(), event.reason().strip());
      } catch (UncheckedIOException e) {
        LOG.warn("executor {} is gone, and nobody is told: {}", event.executorId(), e.getMessage());
      }
    }

    @Override
    public void onApplicationEnd(SparkListenerApplicationEnd event) {
      ended = true;
      Engines.ofThisJvm().forget(notes.application());
      try {
        notes.forget();
      } catch (UncheckedIOException e) {
        LOG.info("{}", e.getMessage()); // a few small files
      }
    }
  }
}
