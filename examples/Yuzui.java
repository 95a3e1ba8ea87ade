///usr/bin/env jbang "$0" "$@" ; exit $?
// Runs Yuzui from its Maven artifacts, without a checkout: examples/Yuzui.java generate -p "Once upon a time"
// The flags are those of yuzui.jvm.flags in pom.xml and of cli/src/main/launcher/jvm.flags.
//JAVA 25+
//DEPS dev.yuzui:yuzui-cli:0.1.0
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS -Djdk.incubator.vector.VECTOR_ACCESS_OOB_CHECK=0 --sun-misc-unsafe-memory-access=allow
//RUNTIME_OPTIONS -XX:-UsePerfData --add-opens=java.base/java.io=ALL-UNNAMED -XX:+UseSerialGC -Xmx2g -Xlog:disable

/** The yuzui command. */
public class Yuzui {
  private Yuzui() {}

  public static void main(String[] args) {
    dev.yuzui.cli.Main.main(args);
  }
}
