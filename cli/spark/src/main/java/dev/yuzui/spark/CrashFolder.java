package dev.yuzui.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.time.Duration;
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

/** What executors find a folder of {@link CrashNotes} with. */
record CrashFolder(String path, String application, SerializableConfiguration hadoop)
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
      context.addSparkListener(new Listener(notes));
      return new CrashFolder(
          whole.toString(),
          context.applicationId(),
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

  /**
   * @param column of answers, which tells apart two transforms that run in one task
   */
  UnderWay begin(TaskContext task, String column) {
    String work = "%d-%d-%x".formatted(task.stageId(), task.partitionId(), YuzuiBatch.seed(column));
    return UnderWay.begin(
        notes(), work, task.taskAttemptId(), SparkEnv.get().executorId(), PATIENCE);
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
      try {
        notes.forget();
      } catch (UncheckedIOException e) {
        LOG.info("{}", e.getMessage()); // a few small files
      }
    }
  }
}
